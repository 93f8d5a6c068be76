//go:build !unix

package embedded

import "os"

// tryLock promises nothing here: the folder must not be shared by hand.
func tryLock(*os.File) error { return nil }
