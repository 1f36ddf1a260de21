package job

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/solocron/solocron/fleet"
	"github.com/solocron/solocron/notifier"
	"github.com/solocron/solocron/run"
	"github.com/solocron/solocron/schedule"
)

// builtin is what an empty file would mean. The schema shows these values as
// well; a test holds the two together.
func builtin(path, folder string) document {
	notify := Notify{On: slices.Clone(notifier.Usual)}
	return document{
		File: File{
			Path:      path,
			Ledger:    filepath.Join(folder, "solocron.db"),
			Retention: 30 * day,
			Fleet: Fleet{
				Hosts:   []fleet.Host{{ID: "local", Address: "local"}},
				Every:   time.Minute,
				MinFree: 64 << 20,
				MaxSkew: 30 * time.Second,
			},
		},
		notify: notify,
		defaults: Job{
			When:        schedule.Spec{Zone: "UTC", Gap: schedule.GapNext, Fold: schedule.FoldFirst},
			Pick:        fleet.Random,
			OutputBytes: 10 << 20,
			Overlap:     Skip,
			StartWithin: 10 * time.Minute,
			Catchup:     Catchup{Mode: CatchupNone},
			Timeout:     time.Hour,
			Grace:       10 * time.Second,
			Retry: Retry{
				On:         []run.State{run.Failed, run.TimedOut},
				Backoff:    10 * time.Second,
				MaxBackoff: 10 * time.Minute,
				Host:       AnyHost,
			},
			Notify: notify,
		},
	}
}
