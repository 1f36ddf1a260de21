package deploy

import (
	"context"
	"errors"
	"time"

	"github.com/aws/smithy-go"
)

// errorCode is what AWS calls the error; empty if the error isn't AWS's.
func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// rest waits, or returns the context's cause.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// pauses between looks at something that takes its time.
const (
	firstPause = 250 * time.Millisecond
	longPause  = 5 * time.Second
)

// poll looks again and again, less and less often, until look is done or fails.
func poll(ctx context.Context, look func() (done bool, err error)) error {
	for pause := firstPause; ; pause = min(pause*3/2, longPause) {
		if done, err := look(); done || err != nil {
			return err
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
}

// settling is how long what was just made may take to be known everywhere: a
// new role is refused for up to about two minutes.
const settling = 2 * time.Minute

// settle repeats f while its error may pass with time.
func settle(ctx context.Context, limit time.Duration, passes func(error) bool, f func() error) error {
	for pause, waited := time.Second, time.Duration(0); ; pause = min(2*pause, 15*time.Second) {
		err := f()
		if err == nil || !passes(err) || waited >= limit {
			return err
		}
		if ctxErr := rest(ctx, pause); ctxErr != nil {
			return err
		}
		waited += pause
	}
}
