package dispatch

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/solocron/solocron/schedule"
)

// A job of a deployment is taken only if nothing of it is lost and it can be
// scheduled.
func FuzzReadJob(f *testing.F) {
	j := aJob("nightly", "30 2 * * *")
	f.Add(j.Body())
	f.Add(bytes.Replace(j.Body(), []byte(`{`), []byte(`{"new":1,`), 1))
	f.Add(bytes.Replace(j.Body(), []byte("nightly"), []byte("../x"), 1))
	f.Add(bytes.Replace(j.Body(), []byte("30 2"), []byte("61 2"), 1))
	f.Add([]byte(`7`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readJob(body)
		if err != nil {
			return
		}
		if !json.Valid(body) || !bytes.Equal(got.Body(), body) || got.Name == "" {
			t.Errorf("%+v of %s", got, body)
		}
		if _, err := schedule.Parse(got.When); err != nil {
			t.Error(err)
		}
	})
}
