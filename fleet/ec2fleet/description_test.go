package ec2fleet

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// whatEC2Says is an answer with more in it than a fleet needs, in the form of
// the API reference's example.
const whatEC2Says = `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet>
        <item>
            <reservationId>r-1234567890abcdef0</reservationId>
            <groupSet/>
            <instancesSet>
                <item>
                    <instanceId>i-1234567890abcdef0</instanceId>
                    <instanceState><code>16</code><name>running</name></instanceState>
                    <dnsName/>
                    <launchTime>2026-11-22T16:15:31.000Z</launchTime>
                    <placement><availabilityZone>eu-west-1c</availabilityZone></placement>
                    <groupSet><item><groupId>sg-e4076980</groupId><groupName>a &amp; b</groupName></item></groupSet>
                    <blockDeviceMapping><item><ebs><volumeId>vol-1</volumeId></ebs></item></blockDeviceMapping>
                    <tagSet>
                        <item><key>Name</key><value>NOISE</value></item>
                        <item><key>cron</key><value/></item>
                        <item><value>true</value><key>KEY</key></item>
                    </tagSet>
                    <networkInterfaceSet><item><tagSet><item><key>not</key><value>ours</value></item></tagSet><status>in-use</status></item></networkInterfaceSet>
                </item>
                <item><instanceId>i-2</instanceId><platform>windows</platform><instanceState><name>STATE</name></instanceState></item>
            </instancesSet>
        </item>
        <item><instancesSet><item><instanceId>i-3</instanceId><tagSet/></item></instancesSet></item>
    </reservationSet>
    <nextToken>TOKEN</nextToken>
</DescribeInstancesResponse>`

func saying(noise, key, state, token string) string {
	escaped := func(text string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(text))
		return b.String()
	}
	return strings.NewReplacer("NOISE", escaped(noise), "KEY", escaped(key), "STATE", escaped(state), "TOKEN", escaped(token)).Replace(whatEC2Says)
}

// FuzzDescription holds what is read of an answer against what the SDK reads.
func FuzzDescription(f *testing.F) {
	f.Add("web-1", "role", "stopped", "")
	f.Add("<b>&\"'", "a\tb", "  running ", "abc&<>=")
	f.Add("ключ 鍵 \U0001F511", "]]>", "", "\u00a0")
	f.Add("", "", "", " ")
	f.Fuzz(func(t *testing.T, noise, key, state, token string) {
		body := saying(noise, key, state, token)
		want, err := bySDK(t, body)
		if err != nil {
			t.Fatal(err)
		}
		var got description
		next, err := got.ask(t, body)
		if err != nil {
			t.Fatal(err)
		}
		var all []ec2types.Instance
		for _, r := range want.Reservations {
			for _, i := range r.Instances {
				state := i.State
				if state != nil {
					state = &ec2types.InstanceState{Name: state.Name}
				}
				for k := range i.Tags { // nil and empty are the same to a fleet
					i.Tags[k] = ec2types.Tag{Key: aws.String(aws.ToString(i.Tags[k].Key)), Value: aws.String(aws.ToString(i.Tags[k].Value))}
				}
				if len(i.Tags) == 0 {
					i.Tags = nil
				}
				all = append(all, ec2types.Instance{InstanceId: i.InstanceId, State: state, Platform: i.Platform, LaunchTime: i.LaunchTime, Tags: i.Tags})
			}
		}
		if !reflect.DeepEqual(got.instances, all) {
			t.Errorf("read %+v\n want %+v", got.instances, all)
		}
		if next != aws.ToString(want.NextToken) {
			t.Errorf("next token %q, want %q", next, aws.ToString(want.NextToken))
		}
	})
}

// FuzzRead reads anything without harm.
func FuzzRead(f *testing.F) {
	f.Add([]byte(whatEC2Says))
	f.Add([]byte("<DescribeInstancesResponse><reservationSet><item></nextToken>"))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var d description
		_, _ = d.read(bytes.NewReader(body))
	})
}

// An answer that breaks off, or is something else, is no list.
func TestBrokenDescription(t *testing.T) {
	t.Parallel()
	whole := saying("a", "b", "running", "next")
	end := strings.LastIndex(whole, "</DescribeInstancesResponse>")
	for cut := range end {
		var d description
		if _, err := d.ask(t, whole[:cut]); err == nil {
			t.Fatalf("cut after %q: no error", whole[:cut][max(0, cut-40):])
		}
	}
	for _, other := range []string{"", "<html><body>proxy</body></html>", "{}", "<DescribeVpcsResponse/>", strings.Replace(whole, "2026-11-22", "yesterday", 1)} {
		var d description
		if _, err := d.ask(t, other); err == nil {
			t.Errorf("%.40q: no error", other)
		}
	}
}

// ask asks a server that gives this answer, and returns the next token.
func (d *description) ask(t *testing.T, body string) (string, error) {
	out, err := client(body).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}, func(o *ec2.Options) { o.APIOptions = append(o.APIOptions, d.take) })
	if err != nil {
		return "", err
	}
	return aws.ToString(out.NextToken), nil
}

func bySDK(t *testing.T, body string) (*ec2.DescribeInstancesOutput, error) {
	return client(body).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
}

func client(body string) *ec2.Client {
	return ec2.NewFromConfig(config("http://in.memory", saysOnly(body)))
}

// saysOnly is a server that gives one answer.
type saysOnly string

func (s saysOnly) Do(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: q, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}
