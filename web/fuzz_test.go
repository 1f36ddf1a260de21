package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Whatever is asked for: an answer that is no mistake of the server's, and JSON
// wherever the API speaks.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"a", "state=lost&limit=7&since=2026-11-22T02:30:00Z", `{"by":"ann","note":"x"}`},
		{ranID, "attempt=1&offset=3", `{"by":"ann","as":"succeeded"}`},
		{ranID, "attempt=-1&offset=-1&limit=-1", `{"rerun":true,"kill":true}`},
		{"..", "until=%00&job=%2f&version=x&after=a", `{"unclaimed":true}`},
		{"a", "", `{"put":[{"from":"","body":{"name":"a"}}],"retire":[{"name":"b"}]}`}, {"%", ";", `{"by":`}, {"", "", ``},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s, _ := newReader(f)
	routes := s.routes()
	f.Fuzz(func(t *testing.T, name, query, body string) {
		for pattern := range routes {
			method, path, _ := strings.Cut(pattern, " ")
			if slices.Contains([]string{"/v1/runs/{id}/wait", "/v1/hosts/{host}/rehearse"}, path) {
				continue // they wait, and touch a host
			}
			_, way := newServer(true)
			h := way.Handler
			if method == http.MethodGet {
				h = s.Handler()
			}
			r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
			r.URL = &url.URL{Path: strings.NewReplacer("{id}", name, "{job}", name, "{host}", name).Replace(path), RawQuery: query}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= http.StatusInternalServerError {
				t.Errorf("%s: %d %s", pattern, w.Code, w.Body)
			}
			if w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %s", pattern, w.Body)
			}
		}
	})
}
