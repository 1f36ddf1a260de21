package policy

import (
	"fmt"

	"github.com/solocron/solocron/job"
	"github.com/solocron/solocron/stack"
)

// Warnings are the rights of the roles that reach further than their author may
// know. An installation for which [Roles] fails has none.
func Warnings(i *stack.Installation) []string {
	reach, err := reachOf(i.File)
	if err != nil {
		return nil
	}
	var found []string
	if name, ok := anywhere(i.File); ok {
		found = append(found, fmt.Sprintf("job %s: it names no hosts, and there are no fleet.tags: the function may start commands on every instance of the account in %s", name, i.Region))
	}
	function := functionRole(i, reach.statements(i))
	if len(i.File.Fleet.EC2.Tags) > 0 && function.size(i) > maxInline {
		found = append(found, fmt.Sprintf("the hosts of the jobs are %d different selectors, too many for an IAM policy: the function may start commands on every instance with %s",
			reach.selectors, reach.whole(i.File).boxes[0]))
	}
	if !i.OwnDocument() {
		found = append(found, fmt.Sprintf("fleet.document is %s, which runs any command: whoever can act as the function has a root shell on the hosts; solocron's own document takes orders of jobs alone", i.File.Fleet.EC2.Document))
	}
	return found
}

// anywhere names the first job that may run on every instance.
func anywhere(f *job.File) (string, bool) {
	for k := range f.Jobs {
		if len(f.Fleet.EC2.Tags)+len(f.Jobs[k].Hosts) == 0 {
			return f.Jobs[k].Name, true
		}
	}
	return "", false
}
