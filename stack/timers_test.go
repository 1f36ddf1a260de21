package stack

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/schedule"
)

// one is a job with everything that its schedules depend on.
func one(name, expr string) job.Job {
	return job.Job{Name: name, When: schedule.Spec{Expr: expr, Zone: "Asia/Tokyo"}, Command: "true", StartWithin: 10 * time.Minute}
}

func schedules(t testing.TB, j job.Job) []Schedule {
	t.Helper()
	list, err := Schedules(j)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A name that changed would have every schedule of every installation made
// anew.
func TestScheduleGolden(t *testing.T) {
	j := one("nightly", "0 6 13 * fri")
	j.Command = "report <in >out && true"
	var got []string
	for _, s := range schedules(t, j) {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s|%d", s.Name, s.Expr, s.Zone, s.Input, s.MaxAge, s.Retries))
	}
	input := `{"job":"nightly","spec":"` + j.Hash() + `","due":"<aws.scheduler.scheduled-time>"}`
	want := []string{
		"nightly.uomwhyafx4aa7jsw|cron(0 6 13 * ? *)|Asia/Tokyo|" + input + "|10m0s|185",
		"nightly.y2badhj3cb4yovxq|cron(0 6 ? * 6 *)|Asia/Tokyo|" + input + "|10m0s|185",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Names are Scheduler's, and differ with whatever is in the schedule.
func TestScheduleNames(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-zA-Z-_.]{1,64}$`)
	long := strings.Repeat("a.b-c_D9", 12) + "long"
	jobs := []job.Job{one("a", "0 6 13 * fri"), one("b", "0 6 13 * fri"), one(long+"1", "0 6 * * *"), one(long+"2", "0 6 * * *")}
	for _, change := range []func(*job.Job){
		func(j *job.Job) { j.Command = "false" },
		func(j *job.Job) { j.When.Expr = "0 7 13 * fri" },
		func(j *job.Job) { j.When.Zone = "UTC" },
		func(j *job.Job) { j.StartWithin = 11 * time.Minute },
		func(j *job.Job) { j.When.Except = []string{"12-24"} },
	} {
		j := one("a", "0 6 13 * fri")
		change(&j)
		jobs = append(jobs, j)
	}
	seen := map[string]Schedule{}
	for _, j := range jobs {
		for _, s := range schedules(t, j) {
			if before, ok := seen[s.Name]; ok || !form.MatchString(s.Name) || !strings.HasPrefix(s.Name, j.Name[:min(len(j.Name), 47)]+".") {
				t.Errorf("%q of %+v; before: %+v", s.Name, s, before)
			}
			seen[s.Name] = s
		}
	}
	if first, again := schedules(t, jobs[0]), schedules(t, jobs[0]); fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("%v, then %v", first, again)
	}
}

// Scheduler gives up when the job would no longer start, within its own bounds.
func TestScheduleAge(t *testing.T) {
	for within, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Second: time.Minute, time.Minute: time.Minute, 90*time.Second + 5: 90 * time.Second,
		time.Hour: time.Hour, 24 * time.Hour: 24 * time.Hour, 7 * 24 * time.Hour: 24 * time.Hour,
	} {
		j := one("a", "0 6 * * *")
		j.StartWithin = within
		if s := schedules(t, j); s[0].MaxAge != want || s[0].Retries != 185 {
			t.Errorf("start within %s: tried for %s, %d times", within, s[0].MaxAge, s[0].Retries)
		}
	}
}

func TestScheduleRefused(t *testing.T) {
	for _, expr := range []string{"every 10s", "no schedule"} {
		if list, err := Schedules(one("a", expr)); err == nil || !strings.Contains(err.Error(), "job a") {
			t.Errorf("%s: %v, %v", expr, list, err)
		}
	}
}

// BenchmarkSchedules is what planning a file of 10,000 jobs spends here.
func BenchmarkSchedules(b *testing.B) {
	for b.Loop() {
		for i := range 10_000 {
			if _, err := Schedules(one(fmt.Sprint("job-", i), fmt.Sprintf("%d %d * * mon-fri", i%60, i/60%24))); err != nil {
				b.Fatal(err)
			}
		}
	}
}
