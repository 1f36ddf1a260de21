package policy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/deploy"
	"github.com/solocron/solocron/stack/policy"
)

// prefixes are how IAM calls the services whose SDK packages have other names.
var prefixes = map[string]string{"elasticloadbalancingv2": "elasticloadbalancing"}

// called lists the actions behind the requests that the packages' code makes, by
// the inputs that it fills in: dynamodb.GetItemInput is dynamodb:GetItem.
func called(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, path := range files {
			if !strings.HasSuffix(path, "_test.go") {
				scan(t, path, found)
			}
		}
	}
	return found
}

func scan(t *testing.T, path string, found map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	services := map[string]string{} // by the name in the file
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		_, service, ok := strings.Cut(imported, "aws-sdk-go-v2/service/")
		if !ok {
			continue
		}
		name := filepath.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		services[name] = service
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, _ := n.(*ast.CompositeLit)
		if literal == nil {
			return true
		}
		selector, _ := literal.Type.(*ast.SelectorExpr)
		if selector == nil {
			return true
		}
		of, _ := selector.X.(*ast.Ident)
		if of == nil {
			return true
		}
		service := services[of.Name]
		if operation, ok := strings.CutSuffix(selector.Sel.Name, "Input"); ok && service != "" {
			if known := prefixes[service]; known != "" {
				service = known
			}
			found[service+":"+operation] = true
		}
		// The parts of a transaction, which have the rights of what they do.
		part := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}[selector.Sel.Name]
		if service == "dynamodb/types" && part != "" {
			found["dynamodb:"+part] = true
		}
		return true
	})
}

func load(t *testing.T) *stack.Installation {
	t.Helper()
	f, err := job.Load("testdata/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	i, err := stack.New(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// The function has the right to every request that its code makes, and to no
// other.
func TestFunctionCalls(t *testing.T) {
	t.Parallel()
	want := called(t, "ledger/dynamoledger", "executor/ssmexec", "fleet/ec2fleet", "notifier/snsnotifier")
	for action, why := range map[string]string{
		"dynamodb:TransactWriteItems": "its parts have rights",
		"dynamodb:CreateTable":        "the ledger's table is only described",
		"dynamodb:DescribeTable":      "the daemon looks at its table when it starts, the function doesn't",
	} {
		if !want[action] {
			t.Errorf("%s is not in the code any more (%s)", action, why)
		}
		delete(want, action)
	}
	for action := range map[string]string{
		"logs:CreateLogStream": "Lambda writes the log",
		"logs:PutLogEvents":    "so it does",
		"sqs:SendMessage":      "Lambda keeps failed events",
		"iam:PassRole":         "goes with ssm:SendCommand",
	} {
		want[action] = true
	}
	roles, err := policy.Roles(load(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, s := range roles[0].Statements {
		for _, a := range s.Actions {
			got[a] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("what the code calls (-), and what the function may (+):\n%s", diff)
	}
}

// s3Names are IAM's where they are not those of the API.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var s3Names = map[string]string{
	"s3:HeadBucket": "s3:ListBucket", "s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject", "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}

// People have the right to every request that the commands make, and directly
// to no other.
func TestPeopleCall(t *testing.T) {
	t.Parallel()
	want := called(t, "stack/doctor", "fleet/ec2fleet")
	delete(want, "sts:GetCallerIdentity") // everybody may
	delete(want, "autoscaling:SetInstanceProtection")
	for service, calls := range map[string]reflect.Type{
		"cloudformation": reflect.TypeFor[deploy.CloudFormation](), "s3": reflect.TypeFor[deploy.S3](), "scheduler": reflect.TypeFor[deploy.Scheduler](),
		"ssm": reflect.TypeFor[deploy.SSM](), "dynamodb": reflect.TypeFor[deploy.DynamoDB](),
	} {
		for call := range calls.Methods() {
			action := service + ":" + call.Name
			if known := s3Names[action]; known != "" {
				action = known
			}
			want[action] = true
		}
	}
	for action := range map[string]string{
		"lambda:InvokeFunction":         "the function is asked",
		"iam:PassRole":                  "goes with scheduler:CreateSchedule, and with lambda:CreateFunction",
		"cloudformation:TagResource":    "goes with cloudformation:CreateChangeSet",
		"s3:PutBucketOwnershipControls": "goes with s3:CreateBucket",
	} {
		want[action] = true
	}
	got := map[string]bool{}
	for _, g := range policy.People(load(t), "") {
		for _, s := range g.Statements {
			if s.Condition["ForAnyValue:StringEquals"] != nil {
				continue // through CloudFormation
			}
			for _, a := range s.Actions {
				got[a] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("what the code calls (-), and what people may (+):\n%s", diff)
	}
}
