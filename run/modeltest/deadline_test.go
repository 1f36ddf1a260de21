package modeltest

import "testing"

// Protocols that were weighed before the one of [Start] was chosen.
func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		system Deadline
		steps  int // of the shortest story in which it starts twice; 0 if it never does
	}{
		{"S1: fail over on silence, clocks right", Deadline{Rule: Silence, Directory: Lasting}, 13},
		{"S2: fail over on silence, a wide margin", Deadline{Rule: Silence, Margin: 3, Directory: Lasting}, 16},
		{"R1: record, then check the clock", Deadline{Rule: RecordFirst, Directory: Lasting}, 0},
		{"R2: the same, the margin as wide as the skew", Deadline{Rule: RecordFirst, Margin: 1, Skew: 1, Directory: Lasting}, 0},
		{"R3: check the clock, then record", Deadline{Rule: CheckFirst, Margin: 1, Skew: 1, Directory: Lasting}, 16},
		{"R4: no margin for the skew", Deadline{Rule: RecordFirst, Skew: 1, Directory: Lasting}, 15},
		{"R5: a skew above the margin", Deadline{Rule: RecordFirst, Margin: 1, Skew: 2, Directory: Lasting}, 16},
		{"R6: delivered twice, no run directory", Deadline{Rule: RecordFirst, Twice: true}, 11},
		{"R7: restart, run directory on tmpfs", Deadline{Rule: RecordFirst, Twice: true, Restart: true, Directory: Volatile}, 12},
		{"R8: restart, lasting run directory", Deadline{Rule: RecordFirst, Twice: true, Restart: true, Directory: Lasting}, 0},
		{"C1: a register, no clock", Deadline{Rule: Register, Skew: 2, Directory: Lasting}, 0},
		{"C2: the same, delivered twice, and a restart", Deadline{Rule: Register, Skew: 2, Twice: true, Restart: true, Directory: Lasting}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := Search(&tt.system, 1_000_000)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d states, %d steps; %s\n%v", res.States, res.Steps, res.Broken, res.Story)
			if len(res.Story) != tt.steps {
				t.Errorf("a second start after %d steps, want %d", len(res.Story), tt.steps)
			}
		})
	}
}
