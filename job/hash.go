package job

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Body is the job as JSON: the same bytes for equal jobs, in this and every
// other process of one version.
func (j Job) Body() []byte { return canonical(j) }

// Hash names the job as it stands: it changes with any of its keys.
func (j Job) Hash() string { return hash(j.Body()) }

// WhenHash changes with what decides the due times, and with nothing else.
func (j Job) WhenHash() string { return hash(canonical(j.When)) }

// canonical relies on encoding/json writing fields in order and map keys
// sorted.
func canonical(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a job holds only text, numbers, lists and maps of them
	}
	return body
}

// hash is long enough that two jobs of one fleet never share one.
func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}
