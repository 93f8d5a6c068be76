package host

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config is one external plugin. Zero means default.
type Config struct {
	// Name is what mappings call the plugin; it must be the name that the plugin gives itself.
	Name string

	// Command is the executable and its arguments. A path with a slash is relative to Dir, one without is looked up in PATH.
	Command []string

	// Dir is the plugin's working directory; default: the host's.
	Dir string

	// SHA256 is the executable's checksum in hex; checked before each start. Empty: not checked.
	SHA256 string

	// PlainGRPC turns AutoMTLS off, for plugins in languages whose authors cannot make the certificate. The connection is then a
	// loopback port, or a Unix socket in a folder of mode 0700, that other users of the machine could reach in the first case.
	PlainGRPC bool

	StartTimeout time.Duration // from exec to handshake and connection; default 10 s (Python needs 75 ms, a cold disk more)
	CallTimeout  time.Duration // one unary call; silence on the stream while a batch waits; default 10 s
	PingInterval time.Duration // between health checks; default 5 s
	PingTimeout  time.Duration // of one health check, two misses kill; default 3 s

	RestartMax    int           // restarts within RestartWindow before the plugin is degraded; default 5
	RestartWindow time.Duration // default 10 min
	BackoffMin    time.Duration // pause before the first restart, doubled each time; default 200 ms
	BackoffMax    time.Duration // default 30 s

	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	c.StartTimeout = cmp.Or(c.StartTimeout, 10*time.Second)
	c.CallTimeout = cmp.Or(c.CallTimeout, 10*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 5*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 3*time.Second)
	c.RestartMax = cmp.Or(c.RestartMax, 5)
	c.RestartWindow = cmp.Or(c.RestartWindow, 10*time.Minute)
	c.BackoffMin = cmp.Or(c.BackoffMin, 200*time.Millisecond)
	c.BackoffMax = cmp.Or(c.BackoffMax, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports every problem.
func (c Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: is missing"))
	}
	if len(c.Command) == 0 || c.Command[0] == "" {
		errs = append(errs, errors.New("command: is missing; give the executable and its arguments"))
	}
	if sum, err := hex.DecodeString(c.SHA256); c.SHA256 != "" && (err != nil || len(sum) != 32) {
		errs = append(errs, errors.New("sha256: want 64 hexadecimal digits, as sha256sum prints them"))
	}
	for name, d := range map[string]time.Duration{
		"start timeout": c.StartTimeout, "call timeout": c.CallTimeout, "ping interval": c.PingInterval,
		"ping timeout": c.PingTimeout, "restart window": c.RestartWindow, "backoff min": c.BackoffMin, "backoff max": c.BackoffMax,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	if c.RestartMax < 0 {
		errs = append(errs, fmt.Errorf("restart max: %d is negative", c.RestartMax))
	}
	return errors.Join(errs...)
}
