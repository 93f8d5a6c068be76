package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-sync/tandem/plugins/rpc"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
)

// Why a session ended, when it was the plugin's fault.
var (
	errHung     = errors.New("it does not answer")
	errNoPulse  = errors.New("it missed its health checks")
	errProtocol = errors.New("it breaks the protocol")
)

// pingMissesMax is how many health checks in a row may fail: one may be the machine's fault.
const pingMissesMax = 2

// session is one stream of batches with one process: from open until the process is given up. Any goroutine may call do.
type session struct {
	process *process
	broken  map[string]error // instances whose configuration the process refused after a restart; read-only
	blame   func([]*flight)  // told of the batches under way when the plugin failed, before their callers are
	credit  chan struct{}    // holds a token per unanswered batch, all of them for one that travels alone
	solo    chan struct{}    // holds a token while a lone batch gathers its credit
	sending chan *flight
	dead    chan struct{} // closed when the session has ended

	mu       sync.Mutex
	lastID   uint64
	open     map[uint64]*flight
	order    []*flight // unanswered, oldest first
	progress time.Time // of the oldest: when it became that, or was last answered in part
	err      error     // why the session ended
}

// flight is one batch on its way. Its results belong to the session until done is closed.
type flight struct {
	batch   *pluginv1.Batch
	alone   bool // a suspect: nothing else is under way with it, so that there is no doubt on whom the plugin died
	results []*pluginv1.Result
	done    chan struct{} // closed when every item is answered
}

func newSession(p *process, broken map[string]error, blame func([]*flight)) *session {
	return &session{
		process: p,
		broken:  broken,
		blame:   blame,
		credit:  make(chan struct{}, rpc.CreditBatches),
		solo:    make(chan struct{}, 1),
		sending: make(chan *flight),
		dead:    make(chan struct{}),
		open:    map[uint64]*flight{},
	}
}

// do sends one batch before sendBy ends and waits for its results until ctx ends: a plugin that is slow but makes progress is let be, one that
// makes none is watch's business.
func (s *session) do(ctx, sendBy context.Context, batch *pluginv1.Batch, alone bool) ([]*pluginv1.Result, error) {
	f := &flight{batch: batch, alone: alone, done: make(chan struct{})}
	if err := s.reserve(sendBy, f.credits()); err != nil {
		return nil, err
	}
	select {
	case s.sending <- f: // answered gives the credit back
	case <-s.dead:
		return nil, s.cause()
	case <-sendBy.Done():
		s.giveBack(f.credits())
		return nil, fmt.Errorf("it takes no batch: %w", context.Cause(sendBy))
	}
	select {
	case <-f.done:
		return f.results, nil
	case <-s.dead:
		return nil, s.cause()
	case <-ctx.Done(): // the batch stays under way, its answer will be dropped
		return nil, fmt.Errorf("no answer yet: %w", context.Cause(ctx))
	}
}

func (f *flight) credits() int {
	if f.alone {
		return rpc.CreditBatches
	}
	return 1
}

// reserve takes n credits, or none.
func (s *session) reserve(ctx context.Context, n int) error {
	if n > 1 { // two that gather would wait for each other
		select {
		case s.solo <- struct{}{}:
			defer func() { <-s.solo }()
		case <-s.dead:
			return s.cause()
		case <-ctx.Done():
			return fmt.Errorf("it is busy: %w", context.Cause(ctx))
		}
	}
	for got := range n {
		select {
		case s.credit <- struct{}{}:
		case <-s.dead:
			return s.cause()
		case <-ctx.Done():
			s.giveBack(got)
			return fmt.Errorf("it is busy: %w", context.Cause(ctx))
		}
	}
	return nil
}

func (s *session) giveBack(n int) {
	for range n {
		<-s.credit
	}
}

// run carries batches until ctx ends or the plugin fails; the error says how. ready is called when batches flow.
func (s *session) run(ctx context.Context, ready func()) error {
	group, within := errgroup.WithContext(ctx)
	stream, err := s.process.rpc.Work(within)
	if err != nil {
		err = fmt.Errorf("open its stream: %w", err)
		s.end(err, false)
		return err
	}
	group.Go(func() error { return s.send(within, stream) })
	group.Go(func() error { return s.receive(stream) })
	group.Go(func() error { return s.watch(within) })
	group.Go(func() error { return s.feelPulse(within) })
	ready()
	err = group.Wait()
	s.end(err, ctx.Err() == nil)
	return err
}

// end fails everything that still waits. Suspicion comes first: a caller that tries again at once must meet it.
func (s *session) end(err error, died bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if died {
		s.blame(s.order)
	}
	close(s.dead)
}

func (s *session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *session) send(ctx context.Context, stream pluginv1.Plugin_WorkClient) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-s.sending:
			s.took(f)
			if err := stream.Send(f.batch); err != nil {
				return receivedInstead(stream, err)
			}
		}
	}
}

// receivedInstead: Send answers io.EOF when the stream has ended; the receiving side then has the reason, and reports it.
func receivedInstead(stream pluginv1.Plugin_WorkClient, err error) error {
	<-stream.Context().Done()
	return fmt.Errorf("its stream ended: %w", err)
}

// took gives the batch its number, before it is sent.
func (s *session) took(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	f.batch.Id = s.lastID
	if len(s.order) == 0 {
		s.progress = time.Now()
	}
	s.open[f.batch.Id] = f
	s.order = append(s.order, f)
}

func (s *session) receive(stream pluginv1.Plugin_WorkClient) error {
	for {
		reply, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("its stream ended: %w", err)
		}
		if err := s.answered(reply); err != nil {
			return err
		}
	}
}

func (s *session) answered(reply *pluginv1.Reply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.open[reply.GetBatchId()]
	switch {
	case f == nil:
		return fmt.Errorf("%w: it answered batch %d, which is not under way", errProtocol, reply.GetBatchId())
	case len(reply.GetResults()) == 0:
		return fmt.Errorf("%w: it answered no item of batch %d", errProtocol, reply.GetBatchId())
	case len(f.results)+len(reply.GetResults()) > len(f.batch.GetItems()):
		return fmt.Errorf("%w: it answered more items of batch %d than there are", errProtocol, reply.GetBatchId())
	}
	f.results = append(f.results, reply.GetResults()...)
	if f == s.order[0] { // answers to younger batches say nothing about it
		s.progress = time.Now()
	}
	if len(f.results) < len(f.batch.GetItems()) {
		return nil
	}
	delete(s.open, reply.GetBatchId())
	for i, other := range s.order {
		if other == f {
			s.order = append(s.order[:i], s.order[i+1:]...)
			break
		}
	}
	s.giveBack(f.credits())
	close(f.done)
	return nil
}

// watch gives the plugin up when the oldest batch gets no answer.
func (s *session) watch(ctx context.Context) error {
	look := time.NewTicker(s.process.cfg.CallTimeout / 8)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		if silent := s.silence(); silent > s.process.cfg.CallTimeout {
			return fmt.Errorf("%w: silent for %v though a batch waits", errHung, silent.Round(time.Millisecond))
		}
	}
}

// feelPulse gives the plugin up when it fails its health checks, whether it has work or not.
func (s *session) feelPulse(ctx context.Context) error {
	look := time.NewTicker(s.process.cfg.PingInterval)
	defer look.Stop()
	misses := 0
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		if err := s.process.ping(ctx); err == nil {
			misses = 0
		} else if misses++; misses >= pingMissesMax {
			return fmt.Errorf("%w: %w", errNoPulse, err)
		}
	}
}

// silence is how long the oldest unanswered batch has made no progress.
func (s *session) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == 0 {
		return 0
	}
	return time.Since(s.progress)
}
