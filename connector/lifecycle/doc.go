// Package lifecycle is the one contract by which everything in Tandem that
// runs in the background is started and stopped.
//
// # The contract
//
//   - Start(ctx) returns nil when the service is ready for use, or an error when it is
//     not, and then nothing of it is left running. ctx bounds the whole life of the service, not only its
//     start: when it is cancelled the service ends by itself. A service that runs is left alone by a second Start.
//   - Stop() asks the service to end and returns when it has: no goroutine of it lives
//     on, and nothing it holds (a socket, a slot, a lease) is held any longer. Stop is
//     idempotent, may be called from many goroutines, before Start, during it (Start then returns an error), and after the service
//     ended by itself. It must not be called from the service's own loop: it would wait for itself.
//   - A service may be started again after Stop.
//   - A service that can end by itself also has Done and Err ([Watched]).
//
// How long a service drains before it ends is its own configuration; Stop
// has no deadline of its own.
//
// [Runner] is the contract written once, to be embedded; [Group] makes one service of
// many, started in order and stopped in reverse. Package lifecycletest holds the stress
// test that every service passes.
//
// The shape is that of River's startstop package.
package lifecycle
