package job

import (
	"fmt"
	"strings"
	"testing"
)

// Each of these would take the parser minutes or gigabytes if it were let in.
func TestFault97HostileFiles(t *testing.T) {
	const room = 1 << 17
	fill := func(s string) string { return strings.Repeat(s, room/len(s)) }
	bomb := "jobs: {}\ndefaults:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	var many strings.Builder
	many.WriteString("jobs:\n")
	for i := range MaxJobs + 1 {
		fmt.Fprintf(&many, " j%d: {}\n", i)
	}
	for _, c := range []struct{ name, content, want string }{
		{"aliases that double", bomb, "more than 1000000 values"},
		{"alias of itself", "jobs: &a { x: *a }", "alias *a has no anchor"},
		{"brackets", fill("["), "nested more than 20 deep"},
		{"braces", fill("{a: "), "nested more than 20 deep"},
		{"dashes on one line", fill("- "), "nested more than 20 deep"},
		{"keys on one line", fill("a: "), "nested more than 20 deep"},
		{"keys without values", fill("a:\n"), "more than 1000 keys or items without a value"},
		{"dashes without values", fill("-\n"), "more than 1000 keys or items without a value"},
		{"braces without values", "[" + fill("{a:},") + "]", "more than 1000 keys or items without a value"},
		{"values", "jobs:\n" + strings.Repeat(" j: ["+strings.Repeat("1,", 250_000)+"]\n", 5), "more than 1000000 values"},
		{"a long job", "jobs:\n a: 1\n b: [" + strings.Repeat("1,", maxWhole/2) + "]\n c: 3\n", "jobs.yaml:2:1: from here on a job has more than 524288 bytes"},
		{"a long head", "x: [" + strings.Repeat("1,", maxWhole/2) + "]\njobs:\n a: 1\n", "more than 1048576 bytes, and its jobs can't be told apart"},
		{"much beside the jobs", "x: [" + strings.Repeat("1,", maxWhole/2) + "]\njobs:\n" + many.String()[6:2000] + "\n", "beside the jobs the file has more than 1048576 bytes"},
		{"many in braces", "jobs: {" + strings.Repeat("j: {},", maxWhole/6) + "}", "more than 1048576 bytes, and its jobs can't be told apart"},
		{"question marks", fill("? a\n"), "key: value"},
		{"tags", fill("- !a\n"), "YAML tags"},
		{"anchors", fill("- &a\n"), "more than 20000 entries"},
		{"jobs", many.String(), "jobs: want from 1 to 100000 jobs, got 100001"},
		{"bytes", strings.Repeat("# x\n", MaxFileBytes/4) + "#", "more than 33554432 bytes"},
		{"documents", fill("---\n"), "the file is empty"},
		{"huge number", "jobs: {a: {schedule: '@daily', command: x, retry: " + strings.Repeat("9", 100_000) + "}}", "retry: want"},
		{"no UTF-8", "jobs: {a: {schedule: '@daily', command: \"\xff\"}}", "byte 0xff is no UTF-8"},
		{"control character", "jobs: {a: {schedule: '@daily', command: \"\x1b[2J\"}}", "control character U+001B"},
		{"escaped NUL", `jobs: {a: {schedule: '@daily', command: "a\0b"}}`, "command: want a command"},
		{"nothing", "", "the file is empty"},
		{"comment alone", "# jobs\n", "the file is empty"},
		{"a key twice", "jobs: {a: {schedule: '@daily', command: x, command: y}}", `"command" is there already`},
		{"two documents", "jobs: {a: {schedule: '@daily', command: x}}\n---\njobs: {}\n", "a second document begins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode("jobs.yaml", []byte(c.content))
			if err == nil {
				t.Fatal("no error")
			}
			text := err.Error()
			if !strings.Contains(text, c.want) {
				t.Errorf("want %q in:\n%.1000s", c.want, text)
			}
			if len(text) > 100_000 {
				t.Errorf("the message has %d bytes", len(text))
			}
		})
	}
}

func TestMostJobs(t *testing.T) {
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range MaxJobs {
		fmt.Fprintf(&b, " j%d: {schedule: '@daily', command: x}\n", i)
	}
	f, err := Decode("jobs.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Jobs) != MaxJobs || f.Jobs[MaxJobs-1].Name != fmt.Sprintf("j%d", MaxJobs-1) {
		t.Errorf("%d jobs, want %d in the file's order", len(f.Jobs), MaxJobs)
	}
}
