package awsloop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// DeadLetter is an asynchronous invocation that was given up.
type DeadLetter struct {
	RequestID string
	Payload   []byte
	Condition string // RetriesExhausted or EventAgeExceeded, as in the records that Lambda sends to a destination
	Attempts  int
	Response  []byte // of the last attempt; nil if there was none
}

// InvokeAsync queues an invocation, under the knobs for Invokes. What is too
// large is refused. A function that fails is tried again, twice by default,
// after a minute, then two; if that doesn't help the event is a [DeadLetter].
// Even without a fault Lambda may deliver one event twice, with one request ID.
func (f *Function) InvokeAsync(payload []byte) error {
	if err := checkAsync(payload); err != nil {
		return err
	}
	id := f.server.guid()
	f.mail.send(func() { f.accept(id, payload) })
	return nil
}

var errTooLarge = errors.New("request must be smaller than 1048576 bytes for the InvokeFunction operation")

func checkAsync(payload []byte) error {
	if len(payload) > asyncLimit {
		return fmt.Errorf("%d bytes: %w", len(payload), errTooLarge)
	}
	return nil
}

// accept tries the event until it is done with.
func (f *Function) accept(id string, payload []byte) {
	f.spawn(func() {
		ctx, cancel := context.WithTimeout(f.ctx, f.scaled(f.maxAge()))
		defer cancel()
		d := DeadLetter{RequestID: id, Payload: payload, Condition: "EventAgeExceeded"}
		if !f.attempt(ctx, &d) && f.ctx.Err() == nil {
			f.bury(d)
		}
	})
}

// attempt reports whether the function succeeded, or why not in d. While all
// of its concurrency is in use the event waits; Lambda asks again and again.
func (f *Function) attempt(ctx context.Context, d *DeadLetter) bool {
	for ; ; d.Attempts++ {
		if d.Attempts > f.retries() {
			d.Condition = "RetriesExhausted"
			return false
		}
		if d.Attempts > 0 && !pause(ctx, f.scaled(time.Duration(d.Attempts)*time.Minute)) {
			return false
		}
		if f.take(ctx, true) != nil {
			return false
		}
		done, err := f.begin(d.RequestID, d.Payload)
		if err != nil {
			return false
		}
		o := <-done
		if o.functionError == "" {
			return true
		}
		d.Response = o.payload
	}
}

func (f *Function) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / f.options().Speed)
}

// retries and maxAge are the function's, unless it was configured otherwise.
func (f *Function) retries() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.invokes != nil && f.invokes.MaximumRetryAttempts != nil {
		return int(*f.invokes.MaximumRetryAttempts)
	}
	return *f.o.Retries
}

func (f *Function) maxAge() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.invokes != nil && f.invokes.MaximumEventAgeInSeconds != nil {
		return time.Duration(*f.invokes.MaximumEventAgeInSeconds) * time.Second
	}
	return f.o.MaxAge
}

func (f *Function) bury(d DeadLetter) {
	f.mu.Lock()
	f.dead = append(f.dead, d)
	f.mu.Unlock()
	f.server.log.Warn("asynchronous invocation given up", "function", f.name(), "request", d.RequestID,
		"condition", d.Condition, "attempts", d.Attempts, "response", string(d.Response))
	f.sendRecord(d)
	if told := f.options().OnDead; told != nil {
		told(d)
	}
}

// DeadLetters are the asynchronous invocations that were given up, oldest
// first.
func (f *Function) DeadLetters() []DeadLetter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.dead)
}
