package job

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration // -1 for refused
	}{
		{"10m", 10 * time.Minute},
		{"1h30m", 90 * time.Minute},
		{"1.5h", 90 * time.Minute},
		{"7d", 7 * 24 * time.Hour},
		{"2w", 14 * 24 * time.Hour},
		{"1w2d3h", 9*24*time.Hour + 3*time.Hour},
		{"0.5d", 12 * time.Hour},
		{"0s", 0},
		{"250ms", 250 * time.Millisecond},
		{"106751d", 106751 * 24 * time.Hour},
		{"106752d", -1},
		{"99999999999999999999h", -1},
		{"9000000000s9000000000s", -1},
		{"", -1}, {"5", -1}, {"m", -1}, {"-5m", -1}, {"5 m", -1}, {"5min", -1}, {"1.h", -1}, {"5M", -1},
	} {
		got, err := parseDuration(c.text)
		if err != nil {
			got = -1
		}
		if got != c.want {
			t.Errorf("parseDuration(%q) = %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"10m", "1.5h", "2w3d", "9223372036854775807ns", "1µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseDuration(s)
		if err != nil {
			return
		}
		if got < 0 {
			t.Fatalf("parseDuration(%q) = %v", s, got)
		}
		if want, err := time.ParseDuration(s); err == nil && want != got {
			t.Fatalf("parseDuration(%q) = %v, Go's is %v", s, got, want)
		}
	})
}

func TestParseAddress(t *testing.T) {
	for text, ok := range map[string]bool{
		"local":                 true,
		"ssh://h":               true,
		"ssh://deploy@10.0.0.1": true,
		"ssh://u@[fe80::1]:22":  true,
		"ssh://h:22/":           true,
		"":                      false,
		"Local":                 false,
		"10.0.0.1":              false,
		"deploy@h":              false,
		"ssh://":                false,
		"ssh://u@":              false,
		"ssh://@h":              false,
		"ssh://-oProxy=x":       false,
		"ssh://-l@h":            false,
		"ssh://h:0":             false,
		"ssh://h:65536":         false,
		"ssh://h:":              false,
		"ssh://h/path":          false,
		"ssh://u:pw@h":          false,
		"http://h":              false,
	} {
		if _, err := parseAddress(text); (err == nil) != ok {
			t.Errorf("parseAddress(%q) = %v", text, err)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"schedule", "start-within", "timeout", "user", "env"}
	for word, want := range map[string]string{
		"shedule":      `did you mean "schedule"?`,
		"tiemout":      `did you mean "timeout"?`,
		"start_within": `did you mean "start-within"?`,
		"startWithin":  `did you mean "start-within"?`,
		"ENV":          `did you mean "env"?`,
		"colour":       "",
	} {
		if got := didYouMean(word, known); got != want {
			t.Errorf("didYouMean(%q) = %q, want %q", word, got, want)
		}
	}
}
