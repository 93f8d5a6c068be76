//go:build !race

package ledger_test

// thin is how many worlds there are to one that is looked at: all of them.
const thin = 1
