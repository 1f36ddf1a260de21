package schedule

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/errors.golden")

// The golden file is where to read how the messages sound.
func TestErrors(t *testing.T) {
	var specs []Spec
	for _, expr := range []string{
		"", " ", "* * * *", "* * * * * * *", "now", "TZ=Asia/Tokyo 0 0 * * *", "@reboot", "@every 5m", "@dayly", "@daily 5",
		"60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "60 * * * * *",
		"-1 * * * *", "+1 * * * *", "1- * * * *", "1-2-3 * * * *", "a * * * *", ", * * * *", "1,,2 * * * *", "*5 * * * *", "1.5 * * * *",
		"99999999999999999999 * * * *", "٣ * * * *",
		"*/0 * * * *", "*/60 * * * *", "* */48 * * *", "*/x * * * *", "*/ * * * *", "5/10 * * * *", "1-10/2/3 * * * *",
		"50-10 * * * *", "0 22-2 * * *", "0 0 * nov-feb *", "0 0 * * sat-sun", "0 0 * * fri-mon", "0 0 28-3 * *",
		"0 0 * * Monday", "0 0 * January *", "0 0 * Foo *", "0 0 * * ?", "0 0 L * *", "0 0 * * fri#2",
		"~/5 * * * *", "30~10 * * * *", "0~60 * * * *", "1~2~3 * * * *", "61 25 * * *",
		"every", "every 0s", "every 500ms", "every 1.5h", "every 5", "every m", "every 1 2h", "every 5 fortnights", "every month", "every 99999d", "every -5m",
		"rate(1 hours)", "rate(5 hour)", "rate(0 minutes)", "rate(5 weeks)", "rate(5)", "rate(1.5 hours)", "rate()", "rate(99999 days)",
		"at(2026-12-24)", "at(2026-12-24T18:00:00Z)", "at(2026-02-30T18:00:00)", "at(1969-12-31T18:00:00)", "at(2026-12-24T18:00:00.5)",
		"cron(0 10 * * ?)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(0 10 1 * MON *)", "cron(0 10 * * ? *", "Cron(0 10 * * ? *)", "foo(1)",
		"cron(60 10 * * ? *)", "cron(0 10 ? * 0 *)", "cron(0 10 ? * 8 *)", "cron(0 10 ? * MON/2 *)", "cron(0 10 ? * MON#6 *)", "cron(0 10 ? * MON# *)",
		"cron(0 10 ? * MON#1,TUE#2 *)", "cron(0 10 ? * XL *)", "cron(0 10 1,L * ? *)", "cron(0 10 L-3 * ? *)", "cron(0 10 32W * ? *)", "cron(0 10 W * ? *)", "cron(0 10 1-5W * ? *)",
		"cron(0 10 * * ? 1969)", "cron(0 10 * * ? 2200)", "cron(0 10 * * ? 2030-2026)", "cron(0 10 28-3 * ? *)", "cron(~ 10 * * ? *)", "cron()",
		"0 0 30 2 *", "cron(0 0 29 2 ? 2027)",
	} {
		specs = append(specs, Spec{Expr: expr})
	}
	for _, zone := range []string{
		"Asia/Tokio", "asia/tokyo", "Tokyo", "America/New York", "America/NewYork", "Europe/Frankfurt", "JST", "Local", "local", "+09:00", "../../etc/passwd", "Factory", "Europe/",
	} {
		specs = append(specs, Spec{Expr: "@daily", Zone: zone})
	}
	for _, date := range []string{
		"", "tomorrow", "2026-02-29", "02-30", "2026-12-26..2026-12-24", "2026-12-24..12-26", "12-24..", "12-24...12-26", "2026/12/24", "1969-12-31", "monday", "01-01..12-31",
	} {
		specs = append(specs, Spec{Expr: "@daily", Except: []string{date}})
	}
	specs = append(specs,
		Spec{Expr: "@daily", Gap: "jump"},
		Spec{Expr: "@daily", Fold: "twice"},
		Spec{Expr: "at(2026-03-29T02:30:00)", Zone: "Europe/Berlin", Gap: GapSkip},
		Spec{Expr: "61 25 * * Monday", Zone: "Asia/Tokio", Gap: "jump", Fold: "twice", Except: []string{"soon", "13-01"}},
	)
	var got bytes.Buffer
	for _, spec := range specs {
		_, err := Parse(spec)
		if err == nil {
			t.Errorf("%+v: no error", spec)
			continue
		}
		fmt.Fprintf(&got, "%s\n    %s\n\n", show(spec), strings.ReplaceAll(err.Error(), "\n", "\n    "))
	}
	const golden = "testdata/errors.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("errors differ from %s; read them, then go test -update\n%s", golden, got.Bytes())
	}
}

// show writes out what of a spec isn't empty.
func show(spec Spec) string {
	text := fmt.Sprintf("%q", spec.Expr)
	for _, part := range []struct{ name, value string }{
		{"zone", spec.Zone}, {"gap", string(spec.Gap)}, {"fold", string(spec.Fold)}, {"except", strings.Join(spec.Except, " ")},
	} {
		if part.value != "" {
			text += " " + part.name + "=" + part.value
		}
	}
	return text
}
