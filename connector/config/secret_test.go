package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/tandem-sync/tandem/connector/config"
)

const hunter = "hunter2-Ünïcode"

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := config.NewSecret(hunter)
	hidden := struct {
		Token  config.Secret
		hidden config.Secret // fmt cannot call methods of this one
		more   []config.Secret
		deep   map[string]*config.Secret
	}{s, s, []config.Secret{s}, map[string]*config.Secret{"x": &s}}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%10.3s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", hidden)
		fmt.Fprintf(&out, verb+"\n", &hidden)
	}
	fmt.Fprintln(&out, s, hidden, fmt.Errorf("dial with %v: %w", s, fmt.Errorf("%s", s)))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("started", "token", s, "config", hidden, "pointer", &hidden, slog.Group("g", "s", s))
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"s": s, "p": &s, "h": hidden}); err != nil {
		t.Fatal(err)
	}
	if err := template.Must(template.New("").Parse("{{.}} {{.String}}")).Execute(&out, s); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { fmt.Fprint(&out, recover()) }()
		panic(s)
	}()

	text := strings.ToLower(out.String())
	for _, piece := range []string{"hunter", "ünïcode", fmt.Sprintf("%x", hunter[:6]), fmt.Sprintf("%d", []byte("hunt"))[1:10]} {
		if strings.Contains(text, strings.ToLower(piece)) {
			t.Errorf("output holds %q:\n%s", piece, out.String())
		}
	}
	if !strings.Contains(text, `"s":"***"`) {
		t.Errorf("JSON does not show the mask:\n%s", out.String())
	}
}

func TestSecretReveals(t *testing.T) {
	t.Parallel()
	s := config.NewSecret(hunter)
	if s.Reveal() != hunter || s.IsZero() || !s.Equal(config.NewSecret(hunter)) || s.Equal(config.Secret{}) {
		t.Error("a secret is not what it was made of")
	}
	var zero config.Secret
	if !zero.IsZero() || zero.Reveal() != "" || zero.String() != "" || !zero.Equal(config.NewSecret("")) {
		t.Error("the zero secret is not the empty one")
	}
}
