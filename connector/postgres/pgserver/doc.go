// Package pgserver runs a private PostgreSQL server: the one that `tandem demo` shows, and the one that tests talk to.
//
// It uses server binaries that are already there (see [Find]), keeps its data in a folder of its own, listens on a free
// port of 127.0.0.1 and on a socket in a short folder of its own, asks for a password that it made up, and has
// wal_level=logical. A server dies with the process that started it (Linux: Pdeathsig), so a killed test leaves none.
//
// PostgreSQL refuses to run as root. A root caller's server therefore runs as the user postgres, as nobody, or, where
// neither can reach the files, in a user namespace in which root has another number.
//
// Not promised: durability unless [Options.Fsync] is set, and any way to reach the server from another machine.
package pgserver
