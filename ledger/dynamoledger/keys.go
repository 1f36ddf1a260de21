package dynamoledger

import (
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/ledger/sqlrow"
	"github.com/solocron/solocron/run"
)

// The table's items, by partition and sort key:
//
//	RUN#<job>        <run>       a run, its body as JSON
//	OPEN#<shard>     <run>       a run that is not final
//	DETAIL#<run>     <attempt>   what is kept beside an attempt
//	JOB#<job>        -           a job: its entry, pause, slot and progress
//	JOBS             <job>       the name of a job that has an item or a run
//	SPEC#<hash>      -           the body of a job
//	NOTICE#<notice>  -           a notice
//	OUTBOX#<target>  <notice>    a notice that is not settled: due, lease, tries
//	NOTICES#<run>    <notice>    a notice of a run
//	PARCELS          <write>     notices of a write that had too many for one transaction
//	STRAYS           <run>       a run that went before its notices were settled
//	OWNER            <owner>     until when an owner lives
//	MARK             -           the ledger's mark
//
// OPEN is what other tables would make a sparse global index, which answers
// with what was true some time ago. These items are written in the runs' own
// transactions, and so the sweep sees every open run.
const (
	pk = "pk"
	sk = "sk"

	jobNames = "JOBS"
	owners   = "OWNER"
	parcels  = "PARCELS"
	strays   = "STRAYS"
	marks    = "MARK"
	alone    = "-" // the sort key where there is one item
)

// item is an item of the table, or a part of one.
type item = map[string]types.AttributeValue

func key(partition, sort string) item {
	return item{pk: text(partition), sk: text(sort)}
}

// keyOf is the key of an item that was read.
func keyOf(i item) item { return item{pk: i[pk], sk: i[sk]} }

func runKey(id string) item       { return key("RUN#"+jobOf(id), id) }
func openKey(id string) item      { return key(openShardOf(jobOf(id)), id) }
func jobKey(name string) item     { return key("JOB#"+name, alone) }
func specKey(hash string) item    { return key("SPEC#"+hash, alone) }
func noticeKey(id string) item    { return key("NOTICE#"+id, alone) }
func detailsOf(run string) string { return "DETAIL#" + run }
func noticesOf(run string) string { return "NOTICES#" + run }
func outboxOf(target string) string {
	return "OUTBOX#" + sqlrow.Text(target)
}

// detailKey pads the attempt so that keys sort by number.
func detailKey(run string, attempt int) item {
	return key(detailsOf(run), fmt.Sprintf("%06d", attempt))
}

// openShards spread the open runs of all jobs over partitions.
const openShards = 4

func openShard(n int) string { return "OPEN#" + strconv.Itoa(n) }

// openShardOf is the partition of the job's open runs.
func openShardOf(job string) string {
	h := fnv.New32a()
	h.Write([]byte(job))
	return openShard(int(h.Sum32() % openShards))
}

// jobOf is the job that a run's ID names; empty for what is no run's ID.
func jobOf(id string) string {
	job, _, err := run.ParseID(id)
	if err != nil {
		return ""
	}
	return job
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func blob(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }
func yesNo(b bool) types.AttributeValue  { return &types.AttributeValueMemberBOOL{Value: b} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// textOf is the string of an attribute, empty if there is none.
func textOf(i item, attr string) string {
	if s, ok := i[attr].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// numberOf is the number of an attribute, zero if there is none. The ledger
// writes whole numbers only.
func numberOf(i item, attr string) int64 {
	if n, ok := i[attr].(*types.AttributeValueMemberN); ok {
		if v, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return v
		}
	}
	return 0
}

// blobOf is the bytes of an attribute, nil if there is none.
func blobOf(i item, attr string) []byte {
	if b, ok := i[attr].(*types.AttributeValueMemberB); ok {
		return b.Value
	}
	return nil
}

// yes reports whether the attribute is there and true.
func yes(i item, attr string) bool {
	b, ok := i[attr].(*types.AttributeValueMemberBOOL)
	return ok && b.Value
}
