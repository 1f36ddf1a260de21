package snsnotifier

import (
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// consoles are the domains of the AWS console by partition.
var consoles = map[string]string{
	"aws":        "console.aws.amazon.com",
	"aws-cn":     "console.amazonaws.cn",
	"aws-us-gov": "console.amazonaws-us-gov.com",
}

// consoleLink leads to Run Command in the console, where Systems Manager keeps
// what was sent to its hosts; empty for another kind of host, or a partition
// whose console is elsewhere.
func consoleLink(topic arn.ARN, host string) string {
	domain, ok := consoles[topic.Partition]
	if !ok || !strings.HasPrefix(host, "i-") && !strings.HasPrefix(host, "mi-") {
		return ""
	}
	return "https://" + domain + "/systems-manager/run-command/executed-commands?region=" + url.QueryEscape(topic.Region)
}
