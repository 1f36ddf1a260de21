package template

// table is the ledger. Runs are recorded in it before they start, so it
// outlives the stack, nobody deletes it by the way, and a mistake of the last
// 35 days can be undone.
type table struct {
	TableName                        string
	AttributeDefinitions             []attribute
	KeySchema                        []key
	BillingMode                      string
	TimeToLiveSpecification          timeToLive
	PointInTimeRecoverySpecification recovery
	DeletionProtectionEnabled        bool
}

type attribute struct{ AttributeName, AttributeType string }

type key struct{ AttributeName, KeyType string }

type timeToLive struct {
	AttributeName string
	Enabled       bool
}

type recovery struct{ PointInTimeRecoveryEnabled bool }

func (table) kind() kind { return kind{"AWS::DynamoDB::Table", "aws_dynamodb_table", "name"} }

func (t table) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", t.TableName)
	b.set("billing_mode", t.BillingMode)
	for _, k := range t.KeySchema {
		name := "hash_key"
		if k.KeyType == rangeKey {
			name = "range_key"
		}
		b.set(name, k.AttributeName)
	}
	b.set("deletion_protection_enabled", t.DeletionProtectionEnabled)
	for _, a := range t.AttributeDefinitions {
		attribute := b.block("attribute")
		attribute.set("name", a.AttributeName)
		attribute.set("type", a.AttributeType)
	}
	ttl := b.block("ttl")
	ttl.set("attribute_name", t.TimeToLiveSpecification.AttributeName)
	ttl.set("enabled", t.TimeToLiveSpecification.Enabled)
	b.block("point_in_time_recovery").set("enabled", t.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled)
	if r.keep {
		b.block("lifecycle").set("prevent_destroy", true)
	}
}

const (
	hashKey  = "HASH"
	rangeKey = "RANGE"
)

// newTable has the keys that dynamoledger wants.
func newTable(name string) table {
	const pk, sk, ttl, isString = "pk", "sk", "ttl", "S"
	return table{
		TableName:                        name,
		AttributeDefinitions:             []attribute{{pk, isString}, {sk, isString}},
		KeySchema:                        []key{{pk, hashKey}, {sk, rangeKey}},
		BillingMode:                      "PAY_PER_REQUEST",
		TimeToLiveSpecification:          timeToLive{ttl, true},
		PointInTimeRecoverySpecification: recovery{true},
		DeletionProtectionEnabled:        true,
	}
}

// sendDocument is what commands are sent to hosts with.
type sendDocument struct {
	Name           string
	DocumentType   string
	DocumentFormat string
	TargetType     string
	// UpdateMethod makes another version of other content. What is in place by
	// name stays, and so do the rights to it.
	UpdateMethod string
	Content      raw
}

func (sendDocument) kind() kind { return kind{"AWS::SSM::Document", "aws_ssm_document", "name"} }

func (d sendDocument) terraform(m *module, r *Resource) {
	b := m.resource(r)
	b.set("name", d.Name)
	b.set("document_type", d.DocumentType)
	b.set("document_format", d.DocumentFormat)
	b.set("target_type", d.TargetType)
	b.set("content", embedded{d.Content})
}
