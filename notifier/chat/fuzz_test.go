package chat

import (
	"errors"
	"strings"
	"testing"

	"github.com/solocron/solocron/notifier"
)

// Whatever stands in a library's error: a status is one of a refusal or failure.
func FuzzStatus(f *testing.F) {
	for _, seed := range []string{"status code: 404", "HTTP 503", "429 Too Many Requests", "code (40401)", "status 999", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		if s := status(errors.New(said)); s != 0 && (s < 400 || s > 599) {
			t.Errorf("%d of %q", s, said)
		}
	})
}

// Whatever a job writes, no service is told to page people or to follow a link.
func FuzzText(f *testing.F) {
	f.Add("hello @everyone", "<!channel> <@U123>")
	f.Add("\xff@\u200bhere", "<\x00!here>")
	f.Fuzz(func(t *testing.T, reason, tail string) {
		got := text(notifier.Message{Event: notifier.Failed, Job: reason, Host: tail, Reason: reason, Tail: tail})
		for _, call := range []string{"@everyone", "@here", "@channel", "<!", "<@"} {
			if strings.Contains(got, call) {
				t.Errorf("the text calls %s:\n%s", call, got)
			}
		}
	})
}
