// Package host runs plugins that are processes of their own and keeps them running. hashicorp/go-plugin does the handshake; the
// supervision is ours, because it has none.
//
//	           ┌──────────────────────────────────────────────┐ crash, hang, no pulse:
//	           ▼                                              │ killed, counted, backed off
//	starting ──► configured ──► open ─────────────────────────┤
//	   ▲                                                      │ more than RestartMax in RestartWindow
//	   └───────── oldest restart left the window ◄── degraded ◄┘
//	                                     any ──► stopped (Stop, or the first start failed)
//
// # Timing
//
// Every call has a deadline. A plugin that answers nothing for CallTimeout although a batch waits is hung; one that misses
// two health checks in a row has no pulse; both are killed. A batch is sent within 2 × CallTimeout or fails, and then is answered, or makes
// progress every CallTimeout, or fails. A slow plugin makes progress: the SDK answers in part every half second.
//
// # Failure
//
// Whatever a plugin does, the caller gets an [Error] that it can park work with, and the process goes on: crash, hang, freeze, a reply
// beyond the limits, garbage on standard output. The items that were under way when the plugin died are suspects: they
// travel alone from then on, and one that kills the plugin twice more is refused as a bad value (for an hour), so that a bad record
// hurts only itself. While a plugin is degraded, calls fail at once.
//
// # Killing
//
// go-plugin's Kill first asks the plugin to shut down, without a deadline, and waits for ever for one that is frozen. So the
// process group gets SIGKILL first; after that Kill takes a millisecond. On Linux a plugin dies with its host (Pdeathsig);
// elsewhere the SDK's side exits when its standard input ends, which the host holds open.
//
// # What is not promised
//
// A plugin sees no environment but PATH, HOME and TMPDIR, but it is no sandbox: it runs as the same user. Descendants that leave the process
// group survive it. A checksum proves the file that is started, not what that loads: for "python3 plugin.py" it proves the interpreter.
package host
