// Package apart runs deep calls on a stack of their own. A goroutine that waits for long
// keeps the stack that its deepest call needed; where thousands wait, what goes deeper
// than the wait is done apart, and its stack goes with it.
package apart

import (
	"fmt"
	"runtime/debug"
)

// Do calls f in a goroutine of its own and waits for it. A panic in f is one of the
// caller's, as a [*Panic].
func Do(f func()) {
	var p *Panic
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if cause := recover(); cause != nil {
				p = &Panic{cause, debug.Stack()}
			}
		}()
		f()
	}()
	<-done
	if p != nil {
		panic(p)
	}
}

// Panic is a panic that has come from one goroutine to another.
type Panic struct {
	Cause any
	Stack []byte // where it was
}

func (p *Panic) String() string { return fmt.Sprint(p.Cause) }

// Stack is where a recovered panic was. It must be called by the function that has
// recovered it.
func Stack(recovered any) []byte {
	if p, ok := recovered.(*Panic); ok {
		return p.Stack
	}
	return debug.Stack()
}
