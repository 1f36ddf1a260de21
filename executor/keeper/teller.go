package keeper

import (
	"io"
	"sync"
)

// teller tells the daemon what all attempts have to say. It takes their words at
// once and keeps them: a daemon that does not listen for a while, as when it is
// paused, must neither hold up a command's timeout nor miss its end.
type teller struct {
	mu      sync.Mutex
	waiting []saying
	busy    bool
	under   sync.WaitGroup
}

// saying is words for a conversation; without words it is its end.
type saying struct {
	to    io.WriteCloser
	words string
}

func (t *teller) say(to io.WriteCloser, words string) { t.add(saying{to, words}) }

// end closes the conversation after what was said in it.
func (t *teller) end(to io.WriteCloser) { t.add(saying{to, ""}) }

func (t *teller) add(s saying) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, s)
	if !t.busy {
		t.busy = true
		t.under.Go(t.tell)
	}
}

// tell says everything, in its order. A daemon that has gone makes it fail, which is
// as well.
func (t *teller) tell() {
	for s, ok := t.next(); ok; s, ok = t.next() {
		if s.words == "" {
			_ = s.to.Close()
		} else {
			_, _ = io.WriteString(s.to, s.words)
		}
	}
}

func (t *teller) next() (s saying, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.busy = false
		return s, false
	}
	s, t.waiting = t.waiting[0], t.waiting[1:]
	return s, true
}
