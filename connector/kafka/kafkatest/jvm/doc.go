// Package jvm runs Java programs beside tests and benchmarks: their jars come from Maven, and their processes die with ours.
//
// Jars are cached under os.UserCacheDir()/tandem/<name>-<hash of the pom>; processes that ask at the same time fetch once (a lock file).
// It needs java (17 or newer) and mvn; [Jars.Missing] names what is not there.
package jvm
