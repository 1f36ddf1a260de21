package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/web"
)

func newHostsCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "hosts [JOB]",
		Short: "Show the fleet's health, and which hosts a job may run on",
		Long: `Show the hosts of the fleet with what the last probe found of each. With a job,
say of each host whether the job may start there now, and if not, why.

Exit codes: 0 done (also if no host is healthy), 1 error, 2 usage.`,
		Args:              words(0, 1, "at most one job"),
		ValidArgsFunction: g.completeJob,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			c, err := g.client()
			if err != nil {
				return err
			}
			hosts, err := c.Hosts(cmd.Context(), name)
			if err != nil {
				return err
			}
			return g.print(cmd, hosts, func(s screen) string { return viewHosts(hosts, name, s) })
		},
	}
}

func viewHosts(hosts []web.Host, name string, s screen) string {
	if len(hosts) == 0 {
		return "the fleet is empty\n"
	}
	last := "NOTE"
	if name != "" {
		last = "FOR " + name
	}
	t := table{head: []string{"HOST", "ADDRESS", "TAGS", "FREE", "SKEW", "CHECKED", "HEALTH", last}}
	for _, h := range hosts {
		final := cell{text: h.Health.Note}
		if name != "" {
			final = verdict(h)
		}
		t.add(cell{text: h.ID}, cell{text: h.Address}, cell{text: fleet.Selector(h.Tags).String()}, cell{text: free(h.Health.FreeBytes)},
			cell{text: skew(h.Health.Skew)}, cell{text: checked(h)}, health(h), final)
	}
	return t.render(s)
}

func verdict(h web.Host) cell {
	if h.Verdict == "" {
		return cell{"may be picked", green}
	}
	return cell{h.Verdict, yellow}
}

func health(h web.Host) cell {
	switch {
	case h.Health.Refused != "":
		return cell{h.Health.Refused, red}
	case h.Health.CheckedAt.IsZero():
		return cell{"not probed yet", yellow}
	}
	return cell{"healthy", green}
}

// free is the room for run directories, if a probe has seen it.
func free(bytes int64) string {
	switch {
	case bytes <= 0:
		return ""
	case bytes < 10<<30:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d GiB", bytes>>30)
}

// skew is how far the host's clock is ahead; empty when it is as good as none.
func skew(d time.Duration) string {
	if d.Abs() < 100*time.Millisecond {
		return ""
	}
	return length(d)
}

func checked(h web.Host) string {
	if h.Health.CheckedAt.IsZero() {
		return ""
	}
	return stamp(h.Health.CheckedAt)
}
