package awsloop

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// request is a verified one, with what is known of it.
type request struct {
	service, operation string
	name               string // service.Operation
	protocol           protocol
	handler            http.Handler
	about              subject
}

// subject is what a call is about, as far as awkward answers ask for it: names
// by kind.
type subject struct{ role, group, schedule, table, bucket, changeSet string }

// of is the part that an operation is about.
func (t subject) of(operation string) string {
	switch operation {
	case "iam.CreateRole":
		return t.role
	case "scheduler.CreateScheduleGroup":
		return t.group
	case "scheduler.CreateSchedule", "scheduler.DeleteSchedule":
		return t.schedule
	case "dynamodb.CreateTable":
		return t.table
	case "s3.CreateBucket":
		return t.bucket
	}
	return t.changeSet
}

// key tells things of a kind apart: the answer counts for each of its own.
func (t subject) key(a Answer) string { return t.of(cmp.Or(a.After, a.Operations[0])) }

// name is the key without what it is in.
func (t subject) name(a Answer) string { return path.Base(t.key(a)) }

// subjectOf reads what the request is about.
func subjectOf(service string, r *http.Request, body []byte) subject {
	switch service {
	case "scheduler":
		return scheduleSubject(r, body)
	case "s3":
		bucket, _ := bucketOf(r)
		return subject{bucket: bucket}
	case "cloudformation", "iam":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return subject{}
		}
		return subject{role: form.Get("RoleName"), changeSet: changeSetName(form.Get("ChangeSetName"))}
	}
	var in struct{ TableName, Role string }
	if json.Unmarshal(body, &in) != nil {
		return subject{}
	}
	return subject{table: in.TableName, role: path.Base(in.Role)}
}

// changeSetName takes it out of an ARN.
func changeSetName(asked string) string {
	if parts := strings.Split(asked, "/"); len(parts) == 3 {
		return parts[1]
	}
	return asked
}

func scheduleSubject(r *http.Request, body []byte) subject {
	var in struct {
		GroupName string
		Target    struct{ RoleArn string }
	}
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		return subject{}
	}
	name := path.Base(r.URL.Path)
	if strings.HasPrefix(r.URL.Path, "/schedule-groups/") {
		return subject{group: name}
	}
	q := r.URL.Query()
	group := cmp.Or(in.GroupName, q.Get("groupName"), q.Get("ScheduleGroup"), "default")
	return subject{role: path.Base(in.Target.RoleArn), group: group, schedule: group + "/" + name}
}

// bucketOf takes the path of a request to S3 apart.
func bucketOf(r *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket, key
}

// s3Parts are the parts of a bucket that requests name in their query.
var s3Parts = map[string]string{
	"publicAccessBlock": "PublicAccessBlock", "tagging": "BucketTagging", "versioning": "BucketVersioning",
	"policy": "BucketPolicy", "encryption": "BucketEncryption", "location": "BucketLocation",
}

// s3Operation names what a request asks of S3.
func s3Operation(r *http.Request) string {
	bucket, key := bucketOf(r)
	q := r.URL.Query()
	for part, name := range s3Parts {
		if q.Has(part) && key == "" {
			return strings.ToUpper(r.Method[:1]) + strings.ToLower(r.Method[1:]) + name
		}
	}
	method := slices.Index([]string{"PUT", "GET", "HEAD", "DELETE"}, r.Method)
	switch {
	case method < 0:
	case key != "":
		return []string{"PutObject", "GetObject", "HeadObject", "DeleteObject"}[method]
	case bucket != "":
		return []string{"CreateBucket", "ListObjectsV2", "HeadBucket", "DeleteBucket"}[method]
	}
	return r.Method + " " + r.URL.Path
}
