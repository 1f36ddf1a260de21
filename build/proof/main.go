// Command proof runs what shows that the promise holds, at its full size, and
// prints what it came to.
//
//	go run ./build/proof [-only REGEXP] [-write docs/proof.md]
//
// Each step is one command, whose log stays in a folder that is named first. It
// fails if any step does, or if a step does not say what it came to; the others
// run nevertheless. The list of steps is steps.go. What is written keeps the rows
// of steps that did not run.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "regular expression: the steps to run")
	file := flag.String("write", "", "file to write the table to")
	flag.Parse()
	if err := run(*only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(only, file string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "solocron-proof-")
	if err != nil {
		return err
	}
	fmt.Println("logs:", dir)
	begun, at := time.Now(), commit()
	rows := map[string]string{}
	var broken []string
	for _, s := range steps {
		if !wanted.MatchString(s.name) {
			continue
		}
		fmt.Printf("%-12s …\n", s.name)
		began := time.Now()
		said, err := s.run(filepath.Join(dir, s.name+".log"))
		took := time.Since(began).Round(time.Second)
		if err != nil {
			broken = append(broken, s.name)
			said = "**" + err.Error() + "**"
		}
		fmt.Printf("%-12s %6s  %s\n", s.name, took, said)
		rows[s.name] = fmt.Sprintf("| %s | %s | %s | %s |\n", s.name, said, took, at)
	}
	fmt.Printf("\n%s\nin %s, on %s\n", table(rows), time.Since(begun).Round(time.Second), machine())
	if len(broken) > 0 {
		return fmt.Errorf("not shown: %s; see %s", strings.Join(broken, ", "), dir)
	}
	if file == "" {
		return nil
	}
	return write(file, rows)
}

// table is the steps' rows in the order of the steps.
func table(rows map[string]string) string {
	text := "| step | what it came to | took | at |\n|---|---|---|---|\n"
	for _, s := range steps {
		text += rows[s.name]
	}
	return text
}

// run is one step: its log goes into the file. It returns what it came to.
func (s step) run(path string) (string, error) {
	log, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer log.Close()
	c := exec.Command(s.command[0], s.command[1:]...)
	c.Env = append(os.Environ(), s.env...)
	c.Stdout, c.Stderr = log, log
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(s.command, " "), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return s.figures(string(text))
}

// write puts the rows into the file, between its two marks; steps that did not
// run keep theirs.
func write(file string, rows map[string]string) error {
	const begin, end = "<!-- table -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: there is no %q … %q", file, begin, end)
	}
	for line := range strings.Lines(old) {
		if name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |"); rows[name] == "" {
			rows[name] = line
		}
	}
	return os.WriteFile(file, []byte(head+begin+"\n"+table(rows)+"\nOn "+machine()+".\n\n"+end+tail), 0o644)
}
