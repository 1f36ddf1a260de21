package main

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/solocron/solocron/web"
)

// Whatever a function answers becomes a response or a problem that says so.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{}"}`, `{"statusCode":200,"isBase64Encoded":true,"body":"?"}`,
		`{"statusCode":-1}`, `{"statusCode":200,"headers":{"a\nb":"c\r\nd"}}`, `null`, `{"errorMessage":"x","errorType":"Function.ResponseSizeTooLarge"}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		v := &invoker{name: "f"}
		var p *web.Problem
		if !errors.As(v.broken(payload), &p) || p.Message == "" {
			t.Errorf("broken: %v", p)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://solocron/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := v.answer(r, payload)
		if err != nil {
			return
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || int64(len(body)) != res.ContentLength || http.StatusText(res.StatusCode) == "" {
			t.Errorf("%+v, %v", res, err)
		}
	})
}
