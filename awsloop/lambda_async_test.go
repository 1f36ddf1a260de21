package awsloop

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noted is the payload of an event that leaves a line in path.
func noted(t *testing.T, path, line string, more map[string]any) []byte {
	t.Helper()
	event := map[string]any{"path": path, "append": line}
	maps.Copy(event, more)
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func lines(path string) []string { return strings.Fields(read(path)) }

func TestInvokeAsync(t *testing.T) {
	t.Parallel()
	none := 0
	tests := []struct {
		name      string
		options   FunctionOptions
		event     map[string]any
		starts    int
		condition string // of the dead letter
		response  string
	}{
		{"once", FunctionOptions{}, nil, 1, "", ""},
		{"error", FunctionOptions{}, map[string]any{"error": "no luck"}, 3, "RetriesExhausted", "no luck"},
		{"crash", FunctionOptions{}, map[string]any{"exit": 1}, 3, "RetriesExhausted", "exit status 1"},
		{"no retry", FunctionOptions{Retries: &none}, map[string]any{"error": "no luck"}, 1, "RetriesExhausted", "no luck"},
		{"too old", FunctionOptions{MaxAge: time.Minute}, map[string]any{"error": "no luck", "sleep": 100 * time.Millisecond}, 1, "EventAgeExceeded", "no luck"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, l := newLoop(t)
			dead := make(chan DeadLetter, 1)
			tt.options.Speed = 600 // a minute is 100 ms
			tt.options.OnDead = func(d DeadLetter) { dead <- d }
			f := newTestFunction(t, l, tt.options)
			path := filepath.Join(t.TempDir(), "starts")
			if err := f.InvokeAsync(noted(t, path, "x", tt.event)); err != nil {
				t.Fatal(err)
			}
			if tt.condition != "" {
				d := <-dead
				if d.Condition != tt.condition || !strings.Contains(string(d.Response), tt.response) || d.Attempts != tt.starts || d.RequestID == "" {
					t.Errorf("dead letter %+v, response %s", d, d.Response)
				}
				if letters := f.DeadLetters(); len(letters) != 1 || letters[0].RequestID != d.RequestID {
					t.Errorf("dead letters %v", letters)
				}
			}
			until(t, "its starts", func() bool { return len(lines(path)) == tt.starts })
			until(t, "idle or gone", func() bool { return len(f.slots) == 0 })
		})
	}
}

func TestInvokeAsyncTooLarge(t *testing.T) {
	t.Parallel()
	_, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{})
	if err := f.InvokeAsync(make([]byte, asyncLimit+1)); err == nil {
		t.Error("more than 1 MiB is accepted")
	}
}

// TestInvokeAsyncWaits has more events than concurrency.
func TestInvokeAsyncWaits(t *testing.T) {
	t.Parallel()
	_, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{Concurrency: 2})
	path := filepath.Join(t.TempDir(), "starts")
	for range 20 {
		if err := f.InvokeAsync(noted(t, path, "x", nil)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all", func() bool { return len(lines(path)) == 20 })
	if n := len(f.Inits()); n > 2 {
		t.Errorf("%d processes for a concurrency of 2", n)
	}
}

func TestInvokeKnobs(t *testing.T) {
	t.Parallel()
	always := Knob{P: 1, For: time.Millisecond}
	for name, tt := range map[string]struct {
		knobs  DeliveryKnobs
		starts int
	}{
		"duplicate": {DeliveryKnobs{Duplicate: always}, 2},
		"delay":     {DeliveryKnobs{Delay: always}, 1},
		"reorder":   {DeliveryKnobs{Reorder: always}, 1},
		"drop":      {DeliveryKnobs{Drop: always}, 0},
		"all":       {DeliveryKnobs{Duplicate: always, Delay: always, Reorder: always}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := newLoop(t)
			f := newTestFunction(t, l, FunctionOptions{})
			path := filepath.Join(t.TempDir(), "starts")
			s.SetKnobs(Knobs{Invokes: tt.knobs})
			if err := f.InvokeAsync(noted(t, path, "x", nil)); err != nil {
				t.Fatal(err)
			}
			s.SetKnobs(Knobs{})
			// The messages before this one are on their way after it at most by their knob.
			if err := f.InvokeAsync(noted(t, path, "last", nil)); err != nil {
				t.Fatal(err)
			}
			until(t, "its starts", func() bool { return len(lines(path)) == tt.starts+1 })
		})
	}
}

func TestMailReorders(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	t.Cleanup(func() { s.Close() })
	m := mail{server: s, knobs: func(k Knobs) DeliveryKnobs { return k.Invokes }}
	var got []string
	send := func(text string, p float64) {
		s.SetKnobs(Knobs{Invokes: DeliveryKnobs{Reorder: Knob{P: p, For: time.Hour}}})
		m.send(func() { got = append(got, text) })
	}
	send("a", 0)
	send("b", 1)
	send("c", 0)
	send("d", 1)
	send("e", 1)
	send("f", 0)
	if text := strings.Join(got, ""); text != "acbdfe" {
		t.Errorf("order %s", text)
	}
}

// TestNoEventVanishes has processes crash, and finds each event done or dead.
func TestNoEventVanishes(t *testing.T) {
	t.Parallel()
	s, l := newLoop(t)
	f := newTestFunction(t, l, FunctionOptions{Concurrency: 4, Speed: 60000, MaxAge: 10000 * time.Hour})
	s.SetKnobs(Knobs{Crash: Knob{P: 0.5, For: 4 * time.Millisecond}, Invokes: DeliveryKnobs{Duplicate: Knob{P: 0.2}, Reorder: Knob{P: 0.2, For: time.Millisecond}}})
	path := filepath.Join(t.TempDir(), "done")
	want := map[string]bool{}
	for i := range 60 {
		name := fmt.Sprintf("event-%d", i)
		want[name] = true
		if err := f.InvokeAsync(noted(t, path, name, nil)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "an end", func() bool {
		for _, name := range lines(path) {
			delete(want, name)
		}
		for _, d := range f.DeadLetters() {
			var e struct{ Append string }
			if err := json.Unmarshal(d.Payload, &e); err != nil {
				t.Fatal(err)
			}
			delete(want, e.Append)
		}
		return len(want) == 0
	})
	until(t, "rest", func() bool { return len(f.slots) == 0 })
	t.Logf("%d starts, %d dead letters", len(f.Inits()), len(f.DeadLetters()))
}
