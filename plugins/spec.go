package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tandem-sync/tandem/plugins/host"
)

// Spec is one external plugin as configurations write it:
//
//	{"name": "phone", "command": ["./phone"], "sha256": "9f86d0…", "config": {"region": "FR"}}
type Spec struct {
	// Name is what mappings say before the dot, and what the plugin must call itself.
	Name string `json:"name"`

	// Command is the executable and its arguments. A path with a slash is relative to the configuration file.
	Command []string `json:"command"`

	// SHA256 is the executable's checksum, checked before each start; as sha256sum prints it.
	SHA256 string `json:"sha256,omitempty"`

	// Config holds defaults for the configurations of everything that the plugin offers: what a mapping says itself goes first. A
	// setting counts for the offers that have it.
	Config json.RawMessage `json:"config,omitempty"`

	// AutoMTLS is on by default; foreign languages mostly need it off.
	AutoMTLS *bool `json:"auto.mtls,omitempty"`

	StartTimeoutMS int `json:"start.timeout.ms,omitempty"` // default 10000
	CallTimeoutMS  int `json:"call.timeout.ms,omitempty"`  // default 10000
}

// ParseSpecs reads a JSON array of specs, strictly, and reports every problem with its path.
func ParseSpecs(data []byte) ([]Spec, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("read plugins: want an array of objects: %w", err)
	}
	specs := make([]Spec, len(raw))
	var errs []error
	for i, r := range raw {
		dec := json.NewDecoder(bytes.NewReader(r))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&specs[i]); err != nil {
			errs = append(errs, fmt.Errorf("plugins.%d: %w", i, err))
			continue
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			errs = append(errs, fmt.Errorf("plugins.%d: something follows the object", i))
		}
		if _, err := specs[i].defaults(); err != nil {
			errs = append(errs, fmt.Errorf("plugins.%d.config: %w", i, err))
		}
	}
	return specs, errors.Join(errs...)
}

// defaults reads Config, which must be an object.
func (s Spec) defaults() (map[string]json.RawMessage, error) {
	if len(s.Config) == 0 {
		return nil, nil
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(s.Config, &out); err != nil {
		return nil, errors.New("want an object of settings")
	}
	return out, nil
}

// host makes the supervisor's configuration. dir is where relative commands are looked for and where the plugin runs.
func (s Spec) host(dir string, log *slog.Logger) (host.Config, error) {
	abs, err := filepath.Abs(dir) // "" is the working directory
	if err != nil {
		return host.Config{}, fmt.Errorf("find the plugin's folder: %w", err)
	}
	return host.Config{
		Name:         s.Name,
		Command:      s.Command,
		Dir:          abs,
		SHA256:       s.SHA256,
		PlainGRPC:    s.AutoMTLS != nil && !*s.AutoMTLS,
		StartTimeout: time.Duration(s.StartTimeoutMS) * time.Millisecond,
		CallTimeout:  time.Duration(s.CallTimeoutMS) * time.Millisecond,
		Log:          log,
	}, nil
}
