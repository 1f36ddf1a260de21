package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/schedule"
)

// release is set by release builds: -ldflags "-X main.release=v1.2.3".
var release string

// version is the program's own, "devel" if nobody knows.
func version() string { return buildInfo().Version }

// build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`   // empty outside a checkout
	Modified bool   `json:"modified"` // the checkout had changes of its own
	Time     string `json:"time"`     // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Zones    string `json:"zones"` // release of the embedded time zone data
}

func buildInfo() build {
	b := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Zones: schedule.ZoneData()}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

func newVersionCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and time zone data",
		Long: `Print version, commit and the release of the embedded time zone data.

Exit codes: 0 done, 1 error, 2 usage.`,
		Args: words(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := buildInfo()
			return g.print(cmd, b, func(s screen) string { return viewBuild(b, s) })
		},
	}
}

func viewBuild(b build, s screen) string {
	commit := b.Commit
	if b.Modified {
		commit += " with changes"
	}
	t := table{indent: "  "}
	for _, line := range [][]string{
		{"commit", commit}, {"time", b.Time},
		{"go", fmt.Sprintf("%s %s", b.Go, b.Platform)}, {"zones", b.Zones},
	} {
		if line[1] != "" {
			t.add(row(line...)...)
		}
	}
	return "solocron " + b.Version + "\n" + t.render(s)
}
