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
	credit  chan struct{}    // holds a token per unanswered batch
	sending chan *flight
	dead    chan struct{} // closed when the session has ended

	mu       sync.Mutex
	lastID   uint64
	open     map[uint64]*flight
	order    []*flight // unanswered, oldest first
	progress time.Time // of the oldest: when it became that, or was last answered in part
	err      error     // why the session ended
	suspect  *flight   // the oldest at the end
}

// flight is one batch on its way. Its results belong to the session until done is closed.
type flight struct {
	batch   *pluginv1.Batch
	results []*pluginv1.Result
	done    chan struct{} // closed when every item is answered
}

func newSession(p *process, broken map[string]error) *session {
	return &session{
		process: p,
		broken:  broken,
		credit:  make(chan struct{}, rpc.CreditBatches),
		sending: make(chan *flight),
		dead:    make(chan struct{}),
		open:    map[uint64]*flight{},
	}
}

// do sends one batch and waits for its results.
func (s *session) do(ctx context.Context, batch *pluginv1.Batch) ([]*pluginv1.Result, error) {
	f := &flight{batch: batch, done: make(chan struct{})}
	select {
	case s.credit <- struct{}{}: // given back by answered
	case <-s.dead:
		return nil, s.cause()
	case <-ctx.Done():
		return nil, fmt.Errorf("it is busy: %w", context.Cause(ctx))
	}
	select {
	case s.sending <- f:
	case <-s.dead:
		return nil, s.cause()
	case <-ctx.Done():
		<-s.credit
		return nil, fmt.Errorf("it takes no batch: %w", context.Cause(ctx))
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

// run carries batches until ctx ends or the plugin fails; the error says how. ready is called when batches flow.
func (s *session) run(ctx context.Context, ready func()) error {
	group, ctx := errgroup.WithContext(ctx)
	stream, err := s.process.rpc.Work(ctx)
	if err != nil {
		err = fmt.Errorf("open its stream: %w", err)
		s.end(err)
		return err
	}
	group.Go(func() error { return s.send(ctx, stream) })
	group.Go(func() error { return s.receive(stream) })
	group.Go(func() error { return s.watch(ctx) })
	ready()
	err = group.Wait()
	s.end(err)
	return err
}

// end fails everything that still waits.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	if len(s.order) > 0 {
		s.suspect = s.order[0]
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
	if f == s.order[0] {
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
	s.progress = time.Now()
	<-s.credit
	close(f.done)
	return nil
}

// watch gives the plugin up when the oldest batch gets no answer, or when it has no pulse.
func (s *session) watch(ctx context.Context) error {
	cfg := s.process.cfg
	look := time.NewTicker(min(cfg.CallTimeout/8, cfg.PingInterval))
	defer look.Stop()
	lastPing, misses := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		if silent := s.silence(); silent > cfg.CallTimeout {
			return fmt.Errorf("%w: silent for %v though a batch waits", errHung, silent.Round(time.Millisecond))
		}
		if time.Since(lastPing) < cfg.PingInterval {
			continue
		}
		if err := s.process.ping(ctx); err == nil {
			misses = 0
		} else if misses++; misses >= pingMissesMax && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", errNoPulse, err)
		}
		lastPing = time.Now()
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
