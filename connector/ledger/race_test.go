//go:build race

package ledger_test

// thin is how many worlds there are to one that is looked at. There is no goroutine in this package: under the race detector a part of them will do.
const thin = 7
