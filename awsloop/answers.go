package awsloop

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"
)

// Answer is an awkward answer of the real API, to be replayed by
// [Knobs.Answers]. What is awkward without an answer has knobs of its own:
// Throttle, Lost, Delay, Pending, Unlisted and Lingering.
type Answer struct {
	Name       string
	Operations []string // that answer so, as in "scheduler.CreateSchedule"
	// After is the operation that made what the request is about; the answer
	// comes only after it. Empty for an answer that may come at any time.
	After string
	// Done says that the request is performed all the same, as when the client
	// repeated it after an answer that was lost.
	Done bool
	// Final says that to ask again is of no use.
	Final bool

	Status        int
	Code, Message string // %s stands for the name of what the request is about
	Source        string
}

// Answers are all that are known, by name.
var Answers = []Answer{
	{
		Name: "function-role-unknown", Operations: []string{"lambda.CreateFunction", "lambda.UpdateFunctionConfiguration"}, After: "iam.CreateRole",
		Status: 400, Code: "InvalidParameterValueException", Message: "The role defined for the function cannot be assumed by Lambda.",
		Source: "https://github.com/epam/aws-syndicate/issues/63",
	},
	{
		Name: "schedule-role-unknown", Operations: []string{"scheduler.CreateSchedule", "scheduler.UpdateSchedule"}, After: "iam.CreateRole",
		Status: 400, Code: "ValidationException", Message: "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
		Source: "https://github.com/aws/aws-sdk-js-v3/issues/6494",
	},
	{
		Name: "schedule-group-unknown", Operations: []string{"scheduler.CreateSchedule", "scheduler.ListSchedules"}, After: "scheduler.CreateScheduleGroup",
		Status: 404, Code: "ResourceNotFoundException", Message: "Schedule group %s does not exist.",
		Source: "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html",
	},
	{
		Name: "schedule-there", Operations: []string{"scheduler.CreateSchedule"}, Done: true,
		Status: 409, Code: "ConflictException", Message: "Schedule %s already exists.",
		Source: "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html",
	},
	{
		Name: "schedule-gone", Operations: []string{"scheduler.DeleteSchedule"}, Done: true,
		Status: 404, Code: "ResourceNotFoundException", Message: "Schedule %s does not exist.",
		Source: "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteSchedule.html",
	},
	{
		Name: "schedule-unseen", Operations: []string{"scheduler.GetSchedule"}, After: "scheduler.CreateSchedule",
		Status: 404, Code: "ResourceNotFoundException", Message: "Schedule %s does not exist.",
		Source: "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html",
	},
	{
		Name: "schedule-quota", Operations: []string{"scheduler.CreateSchedule"}, Final: true,
		Status: 402, Code: "ServiceQuotaExceededException", Message: "The maximum number of schedules has been reached.",
		Source: "https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html",
	},
	{
		Name: "table-unseen", Operations: []string{"dynamodb.DescribeTable"}, After: "dynamodb.CreateTable",
		Status: 400, Code: "ResourceNotFoundException", Message: "Requested resource not found: Table: %s not found",
		Source: "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeTable.html",
	},
	{
		Name: "bucket-ours", Operations: []string{"s3.CreateBucket"}, Done: true,
		Status: 409, Code: "BucketAlreadyOwnedByYou", Message: "Your previous request to create the named bucket succeeded and you already own it.",
		Source: "https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html",
	},
	{
		Name: "bucket-unseen", Operations: []string{"s3.HeadBucket", "s3.PutPublicAccessBlock", "s3.PutBucketTagging", "s3.PutObject"}, After: "s3.CreateBucket",
		Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist",
		Source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel",
	},
	{
		Name: "bucket-busy", Operations: []string{"s3.PutPublicAccessBlock", "s3.PutBucketTagging"}, After: "s3.CreateBucket",
		Status: 409, Code: "OperationAborted", Message: "A conflicting conditional operation is currently in progress against this resource. Please try again.",
		Source: "https://github.com/hashicorp/terraform-provider-aws/issues/7628",
	},
	{
		Name: "change-set-unseen", Operations: []string{"cloudformation.DescribeChangeSet"}, After: "cloudformation.CreateChangeSet",
		Status: 404, Code: "ChangeSetNotFound", Message: "ChangeSet [%s] does not exist",
		Source: "https://github.com/Kotaimen/awscfncli/issues/109",
	},
	{
		Name: "change-set-obsolete", Operations: []string{"cloudformation.ExecuteChangeSet"}, Final: true,
		Status: 400, Code: "InvalidChangeSetStatus", Message: "ChangeSet [%s] cannot be executed in its current execution status of [OBSOLETE]",
		Source: "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html",
	},
}

// awkward answers the request as the knobs say, and reports whether it did.
func (s *Server) awkward(w http.ResponseWriter, r *http.Request, c request) bool {
	for _, a := range Answers {
		if !slices.Contains(a.Operations, c.name) || !s.befalls(a, c) {
			continue
		}
		if a.Done {
			done := httptest.NewRecorder()
			s.perform(done, r, c)
			if done.Code >= http.StatusBadRequest { // it wasn't: that is the answer
				maps.Copy(w.Header(), done.Header())
				w.WriteHeader(done.Code)
				w.Write(done.Body.Bytes()) //nolint:errcheck // the client went away
				return true
			}
		}
		message := a.Message
		if strings.Contains(message, "%s") {
			message = fmt.Sprintf(message, c.about.name(a))
		}
		c.protocol.fail(w, a.Status, a.Code, message)
		return true
	}
	return false
}

// Answered counts the awkward answers that were given, by name.
func (s *Server) Answered() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answered)
}

// befalls draws whether the answer befalls the call.
func (s *Server) befalls(a Answer, c request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.knobs.Answers[a.Name]
	about := c.about.key(a)
	if a.After != "" {
		made, ok := s.made[a.After+" "+about]
		if !ok || k.P > 0 && time.Since(made) > k.For {
			return false
		}
	}
	key := a.Name + " " + about
	if s.befallen[key] < k.First || k.P > 0 && s.rand.Float64() < k.P {
		s.befallen[key]++
		s.answered[a.Name]++
		return true
	}
	return false
}

// note keeps in mind what a call made, and that it was made just now.
func (s *Server) note(c request) {
	for _, a := range Answers {
		if a.After == c.name {
			s.mu.Lock()
			s.made[c.name+" "+c.about.key(a)] = time.Now()
			delete(s.befallen, a.Name+" "+c.about.key(a))
			s.mu.Unlock()
		}
	}
}
