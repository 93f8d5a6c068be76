package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

// server is the plugin's side of the contract over a runtime.
type server struct {
	pluginv1.UnimplementedPluginServer
	runtime *sdk.Runtime
	stderr  *os.File // before go-plugin replaced it
	once    sync.Once

	mu        sync.Mutex
	instances map[string]*instance
}

// instance is one configured offer, ready to turn items.
type instance struct {
	bound any // what the runtime gave, for Release
	turn  func(ctx context.Context, direction pluginv1.Direction, item []byte) *pluginv1.Result
}

var _ pluginv1.PluginServer = (*server)(nil)

func newServer(runtime *sdk.Runtime) *server {
	return &server{runtime: runtime, stderr: os.Stderr, instances: map[string]*instance{}}
}

// Describe is the host's first call. It gives the process its standard error back, which go-plugin redirects into a gRPC stream: what a
// plugin prints just before it dies would be lost there.
func (s *server) Describe(ctx context.Context, _ *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	s.once.Do(func() { os.Stderr = s.stderr })
	d, err := s.runtime.Describe(ctx)
	if err != nil {
		return nil, err
	}
	return EncodeDescription(d), nil
}

func (s *server) Validate(ctx context.Context, req *pluginv1.ValidateRequest) (*pluginv1.ValidateResponse, error) {
	diags, err := s.runtime.Validate(ctx, req.GetOffer(), req.GetConfig())
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	return &pluginv1.ValidateResponse{Diagnostics: EncodeDiagnostics(diags)}, nil
}

func (s *server) Configure(ctx context.Context, req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
	made, err := s.make(ctx, req)
	var refused *sdk.ConfigError
	switch {
	case errors.As(err, &refused):
		return &pluginv1.ConfigureResponse{Diagnostics: EncodeDiagnostics(refused.Diagnostics)}, nil
	case err != nil:
		return nil, status.Error(codes.NotFound, err.Error())
	}
	s.mu.Lock()
	old := s.instances[req.GetInstance()]
	s.instances[req.GetInstance()] = made
	s.mu.Unlock()
	if old != nil {
		if err := s.runtime.Release(old.bound); err != nil {
			return nil, status.Errorf(codes.Internal, "release the former %s: %v", req.GetInstance(), err)
		}
	}
	return &pluginv1.ConfigureResponse{}, nil
}

func (s *server) make(ctx context.Context, req *pluginv1.ConfigureRequest) (*instance, error) {
	d, err := s.runtime.Describe(ctx)
	if err != nil {
		return nil, err
	}
	offer, ok := d.Offer(req.GetOffer())
	if !ok {
		return nil, fmt.Errorf("plugin %s offers no %q", d.Name, req.GetOffer())
	}
	if offer.Kind == sdk.KindMapper {
		b, err := s.runtime.Mapper(ctx, req.GetOffer(), req.GetConfig())
		return &instance{bound: b, turn: turner(b)}, err
	}
	b, err := s.runtime.Function(ctx, req.GetOffer(), req.GetConfig())
	return &instance{bound: b, turn: turner(b)}, err
}

func (s *server) Release(_ context.Context, req *pluginv1.ReleaseRequest) (*pluginv1.ReleaseResponse, error) {
	s.mu.Lock()
	var gone []*instance
	for name, in := range s.instances {
		if req.GetInstance() == "" || req.GetInstance() == name {
			gone = append(gone, in)
			delete(s.instances, name)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, in := range gone {
		errs = append(errs, s.runtime.Release(in.bound))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &pluginv1.ReleaseResponse{}, nil
}

// Work answers batches one after the other, in the order in which they came.
func (s *server) Work(stream pluginv1.Plugin_WorkServer) error {
	for {
		batch, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.answer(stream, batch); err != nil {
			return err
		}
	}
}

// progressEvery is how often a batch that takes long is answered in part, so that the host can tell slow from hung.
const progressEvery = 500 * time.Millisecond

// answer sends results as soon as they fill a reply (a batch may grow when it is turned) or have waited for progressEvery.
func (s *server) answer(stream pluginv1.Plugin_WorkServer, batch *pluginv1.Batch) error {
	s.mu.Lock()
	in := s.instances[batch.GetInstance()]
	s.mu.Unlock()
	reply, size := &pluginv1.Reply{BatchId: batch.GetId()}, 0
	sent := time.Now()
	for _, item := range batch.GetItems() {
		result := refuse(sdk.Retry("plugin has no instance %q", batch.GetInstance()))
		if in != nil {
			result = in.turn(stream.Context(), batch.GetDirection(), item)
		}
		size += len(result.GetItem())
		if len(reply.Results) > 0 && (size > BatchBytesMax || time.Since(sent) > progressEvery) {
			if err := stream.Send(reply); err != nil {
				return err
			}
			sent = time.Now()
			reply, size = &pluginv1.Reply{BatchId: batch.GetId()}, len(result.GetItem())
		}
		reply.Results = append(reply.Results, result)
	}
	return stream.Send(reply)
}

// turner binds the type of item.
func turner[T change.Value | change.Image](b sdk.Bound[T]) func(context.Context, pluginv1.Direction, []byte) *pluginv1.Result {
	return func(ctx context.Context, direction pluginv1.Direction, item []byte) *pluginv1.Result {
		return turnOne(ctx, b, direction, item)
	}
}

// turnOne decodes, turns and encodes; whatever goes wrong with an item is that item's error.
func turnOne[T change.Value | change.Image](ctx context.Context, b sdk.Bound[T], direction pluginv1.Direction, item []byte) *pluginv1.Result {
	in, err := DecodeItem[T](item)
	if err != nil {
		return refuse(err)
	}
	var got []T
	var errs []error
	switch direction {
	case pluginv1.Direction_DIRECTION_TO_NOTION:
		got, errs = b.ToNotion(ctx, []T{in})
	case pluginv1.Direction_DIRECTION_TO_CRM:
		got, errs = b.ToCRM(ctx, []T{in})
	default:
		return refuse(sdk.Fatal("plugin does not know direction %v", direction))
	}
	if errs != nil && errs[0] != nil {
		return refuse(errs[0])
	}
	answer, err := EncodeItem(got[0])
	if err != nil {
		return refuse(err)
	}
	return &pluginv1.Result{Item: answer}
}

func refuse(err error) *pluginv1.Result { return &pluginv1.Result{Error: EncodeError(err)} }
