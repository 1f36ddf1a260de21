package apart

import (
	"bytes"
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDo(t *testing.T) {
	done := false
	Do(func() { done = true })
	if !done {
		t.Error("it did not wait")
	}
}

// A panic arrives where it can be recovered, and says where it was.
func TestPanicArrives(t *testing.T) {
	const cause = "out of range"
	defer func() {
		recovered := recover()
		p, ok := recovered.(*Panic)
		if !ok || p.Cause != cause || fmt.Sprint(p) != cause {
			t.Fatalf("recovered %#v", recovered)
		}
		if !bytes.Contains(Stack(recovered), []byte("apart.deep(")) {
			t.Errorf("the stack is that of another place:\n%s", Stack(recovered))
		}
		if !bytes.Contains(Stack("other"), []byte("TestPanicArrives")) {
			t.Error("a panic of this very goroutine has no stack")
		}
	}()
	Do(func() { deep(cause) })
}

//go:noinline
func deep(cause any) { panic(cause) }
