package lifecycle

import (
	"errors"
	"log/slog"
)

// WaitLevel is the level at which a service says that it waits: a warning where something is wrong, plain information where it is only not its
// turn yet, which is what an error says whose Waiting reports true.
func WaitLevel(err error) slog.Level {
	var w interface{ Waiting() bool }
	if errors.As(err, &w) && w.Waiting() {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
