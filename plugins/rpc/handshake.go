// Package rpc carries the contract of package sdk between processes: hashicorp/go-plugin's handshake, gRPC, and one
// bidirectional stream of batches. [Serve] is the plugin's side; package host has the other.
//
// Figures behind the shape (2 cores, 900-byte values): a unary call per value carries 7,000 a second, batches of 500 with 4
// under way 350,000, and a start takes 7 ms (30 ms with AutoMTLS). Values stay bytes on the wire: a tree of fields costs more
// than the transport.
package rpc

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/tandem-sync/tandem/plugins/rpc/pluginv1"
)

//go:generate ./generate.sh

// Limits of the protocol. Both sides keep them; README.md tells other languages.
const (
	BatchItemsMax = 500      // beyond it a batch gains nothing (3.5 µs a value at 500)
	BatchBytesMax = 1 << 20  // of items in a batch and of results in a reply; a single larger one travels alone
	ItemBytesMax  = 16 << 20 // one value or image; four times Notion's largest page of text
	CreditBatches = 4        // unanswered batches under way; more gains little and hides a hang

	// MessageBytesMax is gRPC's limit on either side. Its default for servers, 4 MiB, refuses batches of large texts.
	MessageBytesMax = 64 << 20
)

// PluginName is the name under which the one service is dispensed.
const PluginName = "tandem"

// ProtocolVersion is the version of the wire contract, negotiated by go-plugin: the highest that both sides have.
const ProtocolVersion = 1

// EnvWatchStdin is set by a host that keeps the plugin's standard input open as long as it lives: at its end the plugin exits.
// It is what ends plugins of a host that was killed where the kernel does not (Pdeathsig is Linux's alone).
const EnvWatchStdin = "TANDEM_PLUGIN_WATCH_STDIN"

// Handshake is the cookie by which a plugin knows that Tandem, not a person, started it. It is no secret.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   "TANDEM_PLUGIN",
		MagicCookieValue: "8f1d3c0e5b7a4f62a9d4c1e07b35f2a6",
	}
}

// VersionedPlugins is the set of versions that the host speaks; the dispensed value is a [pluginv1.PluginClient] with its
// connection.
func VersionedPlugins() map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {PluginName: &grpcPlugin{}}}
}

// Client is what the host dispenses.
type Client struct {
	pluginv1.PluginClient
	Conn *grpc.ClientConn // for the health service
}

// grpcPlugin is both halves of go-plugin's adapter; server is nil in the host.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server pluginv1.PluginServer
}

var _ plugin.GRPCPlugin = (*grpcPlugin)(nil)

func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.server == nil {
		return errors.New("no plugin to serve")
	}
	pluginv1.RegisterPluginServer(s, p.server)
	return nil
}

func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return &Client{PluginClient: pluginv1.NewPluginClient(conn), Conn: conn}, nil
}
