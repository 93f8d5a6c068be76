//go:build !unix

package bench

import "time"

// processor is the time that has passed, where the system does not tell whose it was.
func processor() time.Duration { return elapsed() }
