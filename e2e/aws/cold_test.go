package aws_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/solocron/solocron/awsloop"
)

// BenchmarkCold is how long a fresh process takes from its start until its
// SendCommand is answered: the function with all that it does for a due time,
// and beside it a Python script that lists the tagged instances and sends the
// command to one, with boto3. The answers are recorded and played back, so that
// the time is the client's own; the two take turns.
func BenchmarkCold(b *testing.B) {
	for _, size := range []int{3, 1000} {
		b.Run(fmt.Sprintf("%d instances", size), func(b *testing.B) {
			c := newCold(b, size)
			c.measure(b, c.function) // the first round records
			c.measure(b, c.script)
			c.tape.playing = true
			var ours, theirs, ratios []float64
			for b.Loop() {
				for range coldRounds {
					f, s := c.measure(b, c.function), c.measure(b, c.script)
					ours, theirs, ratios = append(ours, f), append(theirs, s), append(ratios, s/f)
				}
			}
			b.ReportMetric(median(ours), "ms/function")
			b.ReportMetric(median(theirs), "ms/boto3")
			b.ReportMetric(median(ratios), "boto3/function")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// coldRounds is how often each is measured in one go.
const coldRounds = 9

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// cold is an account whose answers are on tape.
type cold struct {
	*account
	tape     *tape
	url      string
	settings string
	python   string
	due      time.Time
}

func newCold(b *testing.B, size int) *cold {
	a := newAccount(b, nil)
	a.crowd(size)
	a.jobs("jobs:\n  plain: {schedule: \"* * * * * *\", hosts: {cron: \"true\"}, start-within: 1h, overlap: allow, command: \"true\"}\n")
	settings, err := json.Marshal(a.settings)
	if err != nil {
		b.Fatal(err)
	}
	c := &cold{account: a, settings: string(settings), python: pythonWithBoto(b), due: time.Now().UTC().Truncate(time.Second)}
	c.tape = &tape{to: a.loop, answers: map[string][]answer{}, sent: make(chan time.Time, 1)}
	server := httptest.NewServer(c.tape)
	b.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// crowd starts many instances with agents that are online.
func (a *account) crowd(size int) {
	a.t.Helper()
	out, err := ec2.NewFromConfig(a.cfg).RunInstances(a.t.Context(), &ec2.RunInstancesInput{
		ImageId: awssdk.String(image), MinCount: awssdk.Int32(int32(size)), MaxCount: awssdk.Int32(int32(size)),
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{
			{Key: awssdk.String("account"), Value: awssdk.String(a.tag)}, {Key: awssdk.String("cron"), Value: awssdk.String("true")},
		}}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, i := range out.Instances {
		if _, err := a.loop.AddInstance(*i.InstanceId, awsloop.InstanceOptions{Online: true}); err != nil {
			a.t.Fatal(err)
		}
	}
}

// measure starts the program and returns the milliseconds until its SendCommand
// was answered.
func (c *cold) measure(b *testing.B, program func() (*exec.Cmd, func())) float64 {
	b.Helper()
	c.tape.rewind()
	cmd, end := program()
	defer end()
	id, secret := c.loop.Key()
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "AWS_ENDPOINT_URL="+c.url, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region,
		"AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-c.tape.sent:
		_ = cmd.Process.Kill() // what comes after it is not measured
		<-ended
		return float64(at.Sub(begun).Microseconds()) / 1000
	case err := <-ended:
		b.Fatalf("%s ended without a SendCommand: %v\n%s", cmd.Path, err, said.Bytes())
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		b.Fatalf("%s sent nothing\n%s", cmd.Path, said.Bytes())
	}
	return 0
}

// function is the bootstrap with one due time to deal with.
func (c *cold) function() (*exec.Cmd, func()) {
	c.due = c.due.Add(time.Second)
	payload, given := due("plain", c.due), false
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusAccepted)
		case given:
			<-r.Context().Done()
		default:
			given = true
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "cold")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
			_, _ = w.Write(payload)
		}
	}))
	cmd := exec.Command(bootstrap)
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "SOLOCRON_SETTINGS=" + c.settings}
	return cmd, func() { runtime.CloseClientConnections(); runtime.Close() }
}

// script is what one writes by hand: the tagged instances that run, all pages,
// and the command to the first of them.
const script = `
import boto3, sys
hosts = []
pages = boto3.client("ec2").get_paginator("describe_instances")
for page in pages.paginate(Filters=[{"Name": "tag:account", "Values": [sys.argv[1]]}, {"Name": "tag:cron", "Values": ["true"]},
                                    {"Name": "instance-state-name", "Values": ["running"]}]):
    for r in page["Reservations"]:
        hosts += [i["InstanceId"] for i in r["Instances"]]
boto3.client("ssm").send_command(InstanceIds=[hosts[0]], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]})
`

func (c *cold) script() (*exec.Cmd, func()) {
	return exec.Command(c.python, "-c", script, c.tag), func() {}
}

// pythonWithBoto is a Python that has boto3: there, or where build/needs.sh put
// moto's.
func pythonWithBoto(b *testing.B) string {
	found, _ := filepath.Glob("/usr/local/lib/solocron-*/bin/python3")
	for _, python := range append([]string{"python3"}, found...) {
		if exec.Command(python, "-c", "import boto3").Run() == nil {
			return python
		}
	}
	b.Fatal("no Python with boto3: as root, sh build/needs.sh moto_server installs one")
	return ""
}

// tape passes requests on and records the answers, by request; then it plays
// them back: to the same request the same answers in their order, to one that
// it doesn't know the last answer to its operation.
type tape struct {
	to      http.Handler
	playing bool
	sent    chan time.Time // when SendCommand was answered

	mu      sync.Mutex
	answers map[string][]answer
	asked   map[string]int
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// rewind goes back to the beginning.
func (t *tape) rewind() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = map[string]int{}
	select {
	case <-t.sent:
	default:
	}
}

func (t *tape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process is gone
	}
	operation := cmp.Or(r.Header.Get("X-Amz-Target"), r.URL.Path+actionOf(body))
	a, known := t.find(operation+string(body), operation)
	if !known {
		r.Body = io.NopCloser(bytes.NewReader(body))
		from := httptest.NewRecorder()
		t.to.ServeHTTP(from, r)
		a = answer{from.Code, from.Header(), from.Body.Bytes()}
		t.keep(a, operation+string(body), operation)
	}
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
	if strings.HasSuffix(operation, ".SendCommand") {
		if err := http.NewResponseController(w).Flush(); err == nil {
			select {
			case t.sent <- time.Now():
			default:
			}
		}
	}
}

// actionOf is the action of a form.
func actionOf(body []byte) string {
	for field := range strings.SplitSeq(string(body), "&") {
		if action, ok := strings.CutPrefix(field, "Action="); ok {
			return action
		}
	}
	return ""
}

func (t *tape) find(keys ...string) (answer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		if kept := t.answers[key]; t.playing && len(kept) > 0 {
			n := min(t.asked[key], len(kept)-1)
			t.asked[key]++
			return kept[n], true
		}
	}
	return answer{}, false
}

func (t *tape) keep(a answer, keys ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		t.answers[key] = append(t.answers[key], a)
	}
}
