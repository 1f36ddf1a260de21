// Package crash names the moments at which a process can die with the most to
// answer for: before and after every durable write, and before and after every
// word that starts a command.
//
// In an ordinary build its functions are empty and the compiler removes them.
// Built with the tag crashpoints, a process kills itself with SIGKILL at the
// point that its environment names, as [Environ] lists; tests enumerate all of
// them that way (e2e/crash). Ledger writes have their points around the port, in
// config; a write that is not called through it marks itself with [Before] and
// [After].
//
// A point's name is the side, who writes, and what: "before keeper go",
// "after ledger running".
package crash
