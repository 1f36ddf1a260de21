//go:build !crashpoints

package crash

// Before marks the moment before a durable write: of whom, and what.
func Before(_, _ string) {}

// After marks the moment after it.
func After(_, _ string) {}

// Environ are the variables by which a process that has a clean environment is
// told to die: "NAME=value", none in an ordinary build.
func Environ() []string { return nil }
