package policy

import (
	"strings"
	"testing"

	"github.com/solocron/solocron/stack"
)

// maxManaged is how many characters a managed policy may have.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxManaged = 6_144

func TestGrantsFit(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures {
		i := f.load(t)
		i.Name = strings.Repeat("n", 25) // the longest
		for _, g := range People(i, "") {
			if n := Allow(g.Statements, stack.Place{Partition: "aws-us-gov", Region: "us-gov-west-1", Account: account}).size(); n > maxManaged {
				t.Errorf("%s: to %s takes %d characters, and a managed policy has %d", f.name, g.Name, n, maxManaged)
			}
		}
	}
}
