//go:build !unix

package ledger_test

import "time"

var began = time.Now()

// processor is the time on the wall, where the system does not tell the processors'.
func processor() time.Duration { return time.Since(began) }
