package job

import (
	"slices"
	"strings"
	"time"
)

// The names of AWS, as its own API models give them.
const (
	regionForm  = `[a-z]{2,}(?:-[a-z]+)+-[0-9]+`
	tableForm   = `[A-Za-z0-9_.-]{3,255}`
	accountForm = `[0-9]{12}`
)

var (
	region  = matching("a region such as eu-central-1", `^`+regionForm+`$`)
	dynamo  = matching("a DynamoDB table's name", `^`+tableForm+`$`)
	ssmName = matching("an SSM document's name", `^[A-Za-z0-9_.-]{3,128}$`)
	topic   = matching("a topic's name, or its ARN such as arn:aws:sns:eu-central-1:123456789012:ops",
		`^(?:arn:aws[a-z-]*:sns:`+regionForm+`:`+accountForm+`:)?[A-Za-z0-9_-]{1,256}$`)
	role = matching("a role's ARN such as arn:aws:iam::123456789012:role/ssm-report",
		`^arn:aws[a-z-]*:iam::`+accountForm+`:role/[A-Za-z0-9+=,.@_/-]{1,512}$`)
	targetGroup = matching("the ARN of a target group (arn:aws:elasticloadbalancing:…:targetgroup/…)",
		`^arn:aws[a-z-]*:elasticloadbalancing:`+regionForm+`:`+accountForm+`:targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]+$`)

	dynamoLedger = lazily(`^dynamodb://(` + regionForm + `)/(` + tableForm + `)$`)
)

// DynamoDB reads a ledger's text; ok is false if that is another ledger.
func DynamoDB(ledger string) (region, table string, ok bool) {
	if !strings.HasPrefix(ledger, "dynamodb:") {
		return "", "", false
	}
	m := dynamoLedger().FindStringSubmatch(ledger)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// ec2Keys describe a fleet of EC2 instances; region makes it one.
var ec2Keys = []field[Fleet]{
	key("region", "AWS region of a fleet of EC2 instances, which are reached through Systems Manager.",
		region, func(f *Fleet) *string { return &f.ec2().Region }),
	key("tags", "Tags that an instance has to carry to belong to the fleet, beside what each job asks for.",
		table[map[string]string]("tags like {role: web}", line, anyText), func(f *Fleet) *map[string]string { return &f.ec2().Tags }),
	key("target-group", "ARN of a load balancer's target group in which an instance has to be healthy.",
		targetGroup, func(f *Fleet) *string { return &f.ec2().TargetGroup }),
	key("hybrid", "Managed nodes outside of EC2 (mi-…) belong to the fleet, too.",
		truth(), func(f *Fleet) *bool { return &f.ec2().Hybrid }).or(false),
	key("document", "SSM document that commands are sent with: solocron's own, or AWS-RunShellScript.",
		ssmName, func(f *Fleet) *string { return &f.ec2().Document }).or("solocron"),
	key("claims", "DynamoDB table, in the fleet's region, in which a host claims an attempt before it starts it. The ledger's, if that is a table of the same region.",
		dynamo, func(f *Fleet) *string { return &f.ec2().Claims }),
	// The claim's signature is valid for five minutes; what comes later could
	// not be claimed anyway.
	key("claim-within", "A command that its host has not claimed after this time is taken back.",
		duration(30*time.Second, 270*time.Second), func(f *Fleet) *time.Duration { return &f.ec2().ClaimWithin }).or("2m"),
	key("report", "Lets SSM itself tell a topic of commands that failed, timed out or were cancelled, independently of solocron.",
		pointer(object("{topic, role}",
			key("topic", "ARN of the topic, or a name, for one that solocron apply makes.", topic, func(r *Report) *string { return &r.Topic }).must(),
			key("role", "ARN of the role that SSM publishes with; solocron apply makes one if it is left out.", role, func(r *Report) *string { return &r.Role }),
		)), func(f *Fleet) **Report { return &f.ec2().Report }),
}

// ec2 is the fleet's EC2 part, made with its defaults by the first key that
// asks for it.
func (f *Fleet) ec2() *EC2 {
	if f.EC2 == nil {
		f.EC2 = &EC2{Document: "solocron", ClaimWithin: 2 * time.Minute}
	}
	return f.EC2
}

// checkEC2 sees the keys of an EC2 fleet together with the ledger.
func checkEC2(d *decoder, n *node, f *Fleet) {
	if n.get("region") == nil {
		for _, k := range ec2Keys {
			if v := n.get(k.key); v != nil {
				d.report(v.keyAt, "", "fleet: %s belongs to region, which is not there", k.key)
			}
		}
		f.EC2 = nil
		return
	}
	f.Hosts = nil
	for _, name := range []string{"min-free", "max-skew"} {
		if v := n.get(name); v != nil {
			d.report(v.keyAt, "", "fleet: %s is for hosts that are probed; EC2 instances are judged by what AWS says of them", name)
		}
	}
	if group := f.EC2.TargetGroup; group != "" && f.EC2.Region != "" && strings.Split(group, ":")[3] != f.EC2.Region {
		d.report(n.get("target-group").at, "", "target-group: it is in another region than the fleet, which is in %s", f.EC2.Region)
	}
	if in, table, ok := DynamoDB(d.document.Ledger); ok && in == f.EC2.Region && f.EC2.Claims == "" {
		f.EC2.Claims = table
	}
}

// checkClaims sees whether those jobs that want a claim have a table for it.
func checkClaims(d *decoder, n *node, doc *document) {
	fleet := n.get("fleet")
	_, _, readable := DynamoDB(doc.Ledger)
	unreadable := fleet.get("claims") != nil || strings.HasPrefix(doc.Ledger, "dynamodb:") && !readable
	if doc.Fleet.EC2 == nil || doc.Fleet.EC2.Region == "" || doc.Fleet.EC2.Claims != "" || unreadable {
		return
	}
	i := slices.IndexFunc(doc.Jobs, func(j Job) bool { return !j.Unclaimed })
	if i < 0 {
		return
	}
	d.report(fleet.get("region").at, "set fleet.claims, use a ledger dynamodb://"+doc.Fleet.EC2.Region+"/TABLE, or say claim: off",
		"fleet: there is no DynamoDB table for the claim of job %s", doc.Jobs[i].Name)
}

// longest is how long SSM runs a command, less an hour for what the guard does
// around it.
const longest = 47 * time.Hour

// checkReach sees what depends on how the fleet's hosts are reached.
func checkReach(d *decoder, n *node, j *Job) {
	const ec2Only = "%s: it is for a fleet of EC2 instances; fleet.region is not there"
	switch ec2 := d.document.Fleet.EC2 != nil; {
	case ec2 && len(j.Secrets) > 0:
		d.report(d.said(n, "secrets").keyAt, "let the command read them from Parameter Store or Secrets Manager",
			"secrets: a command's way to EC2 instances is Systems Manager, whose history would keep the values")
	case !ec2 && j.Protect:
		d.report(d.said(n, "protect").keyAt, "", ec2Only, "protect")
	case !ec2 && j.Unclaimed:
		d.report(d.said(n, "claim").keyAt, "", ec2Only, "claim")
	}
	if both := j.Timeout + j.Grace; d.document.Fleet.EC2 != nil && both > longest {
		d.report(d.said(n, "timeout").at, "", "timeout: together with grace at most %s are possible on EC2 instances, got %s", short(longest), short(both))
	}
}

// said is where a job's key has its value from: the job itself or defaults.
func (d *decoder) said(job *node, key string) *node {
	if v := job.get(key); v != nil {
		return v
	}
	return d.root.get("defaults").get(key)
}

var snsShape = pointer(object("{topic, chat, email}",
	key("topic", "ARN of the topic; or a name, for one that solocron apply makes.", topic, func(s *SNS) *string { return &s.Topic }).must(),
	key("chat", "The topic is one that Amazon Q Developer in chat applications reads. Such a topic serves nobody else.",
		truth(), func(s *SNS) *bool { return &s.Chat }).or(false),
	key("email", "Mail addresses that solocron apply subscribes to the topic; each is asked once whether it agrees.",
		several("a list of mail addresses", mailbox), func(s *SNS) *[]string { return &s.Email }),
).then(func(d *decoder, n *node, s *SNS) {
	if len(s.Email) > 0 && (s.Chat || !s.Named()) {
		d.report(n.get("email").keyAt, "subscribe them to the topic yourself", "email: it is for a topic that solocron apply makes, given by its name and not for chat")
	}
}))

// claimShape reads claim into Job.Unclaimed.
var claimShape = func() shape[bool] {
	word := oneOf("on", "off")
	return shape[bool]{kind: text, want: word.want, schema: word.schema,
		read: func(d *decoder, n *node, unclaimed *bool) {
			said := "on"
			if *unclaimed {
				said = "off"
			}
			word.read(d, n, &said)
			*unclaimed = said == "off"
		},
		remedy: func(n *node) string {
			if n.kind != boolean {
				return ""
			}
			return map[string]string{"true": "write on", "false": "write off"}[strings.ToLower(n.text)]
		}}
}()
