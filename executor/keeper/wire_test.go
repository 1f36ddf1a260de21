package keeper

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/solocron/solocron/bubbletest"
)

// sluggish is a connection that counts its writes, each of which waits for a word.
type sluggish struct {
	net.Conn
	writes chan string
}

func (s sluggish) Write(b []byte) (int, error) { s.writes <- string(b); return len(b), nil }

func (sluggish) Close() error { return nil }

func TestWireGathers(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		conn := sluggish{writes: make(chan string)}
		w := newWire(conn)
		for n := range 10 {
			fmt.Fprintf(w, "%d ", n)
			synctest.Wait() // the first is under way
		}
		if first, rest := <-conn.writes, <-conn.writes; first != "0 " || rest != "1 2 3 4 5 6 7 8 9 " {
			t.Errorf("%q, then %q", first, rest)
		}
		fmt.Fprint(w, "last")
		if last := <-conn.writes; last != "last" {
			t.Errorf("last %q", last)
		}
		w.Close()
	})
}

// Whatever many writers write arrives whole, each one's in its order.
func TestWirePassesEverything(t *testing.T) {
	near, far := net.Pipe()
	w := newWire(near)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 200 {
				if _, err := io.WriteString(w, strings.Repeat("x", 1000)+"\n"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { writers.Wait(); w.under.Wait(); w.Close() }()
	got, err := io.ReadAll(far)
	if err != nil || string(got) != strings.Repeat(strings.Repeat("x", 1000)+"\n", 1600) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Nobody listens: a Write waits once enough is held, until the wire is closed.
func TestWireHoldsNoMore(t *testing.T) {
	bubbletest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := newWire(near)
		written := make(chan int)
		go func() {
			n := 0
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					written <- n
					return
				}
				n++
			}
		}()
		synctest.Wait()
		w.Close()
		if n := <-written; n <= wireful>>10 || n > 2*wireful>>10 {
			t.Errorf("%d KiB were taken", n)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write after it: %v", err)
		}
	})
}

func TestWireTellsWhyItFailed(t *testing.T) {
	near, far := net.Pipe()
	far.Close()
	w := newWire(near)
	defer w.Close()
	var err error
	for range 1000 {
		if _, err = io.WriteString(w, "x"); err != nil {
			break
		}
		w.under.Wait()
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
