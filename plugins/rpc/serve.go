package rpc

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/tandem-sync/tandem/plugins/sdk"
)

// Serve runs p as a plugin process and does not return. It is an author's whole main:
//
//	func main() { rpc.Serve(phone.Plugin()) }
//
// Until Serve is called nothing may be printed on standard output: its first line is the handshake. Log with package slog,
// whose default Serve sets to a handler that Tandem reads back with level and fields, or print on standard error.
func Serve(p sdk.Plugin) {
	log := slog.New(LogHandler(os.Stderr))
	slog.SetDefault(log)
	runtime, err := sdk.NewRuntime(p, func(offer string, value any, stack []byte) {
		log.Error("plugin panicked", "offer", offer, "value", fmt.Sprint(value), "stack", string(stack))
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "serve plugin: %v\n", err)
		os.Exit(1) //nolint:forbidigo // this is an author's main
	}
	if os.Getenv(EnvWatchStdin) != "" {
		go exitAtEnd(os.Stdin) // lives as long as the process: see EnvWatchStdin
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: {PluginName: &grpcPlugin{server: newServer(runtime)}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(MessageBytesMax), grpc.MaxSendMsgSize(MessageBytesMax))...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

func exitAtEnd(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(3) //nolint:forbidigo // the host is gone: there is nobody to return to
}

// LogHandler writes slog records as the JSON lines that go-plugin's host understands (hclog's names for level, message and
// time), so that level and fields survive.
func LogHandler(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.LevelKey:
				return slog.String("@level", hclogLevel(a.Value))
			case slog.MessageKey:
				a.Key = "@message"
			case slog.TimeKey:
				return slog.String("@timestamp", a.Value.Time().Format(hclog.TimeFormatJSON))
			}
			return a
		},
	})
}

func hclogLevel(v slog.Value) string {
	level, _ := v.Any().(slog.Level)
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	default:
		return "error"
	}
}
