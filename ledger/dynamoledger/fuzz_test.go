package dynamoledger

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/solocron/solocron/guard"
	"github.com/solocron/solocron/ledger"
)

// Whatever an item holds, it is read as it was written or said to be corrupt.
func FuzzItem(f *testing.F) {
	packed, err := pack(guard.Output{Head: []byte("hello"), Bytes: 5})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a@20261122T023000Z", `{"id":"a@20261122T023000Z","job":"a","state":"running"}`, "3", packed)
	f.Add("", `[]`, "x", packed[:len(packed)-3])
	f.Add("..", ``, "9223372036854775808", []byte{})
	f.Fuzz(func(t *testing.T, id, body, version string, packed []byte) {
		i := item{sk: text(id), attrBody: text(body), attrVersion: &types.AttributeValueMemberN{Value: version}, attrOutput: &types.AttributeValueMemberB{Value: packed}}
		if r, err := decodeRun(i); err == nil != json.Valid([]byte(body)) && (err == nil || !errors.Is(err, ledger.ErrCorrupt)) {
			t.Errorf("%+v, %v of %q", r, err, body)
		}
		row := rowOf(i)
		if row.ID != id || row.Body != body {
			t.Errorf("%+v", row)
		}
		var o guard.Output
		if err := unpack(blobOf(i, attrOutput), &o); err == nil {
			again, err := pack(o)
			if err != nil {
				t.Fatal(err)
			}
			var same guard.Output
			if err := unpack(again, &same); err != nil || string(same.Head) != string(o.Head) || string(same.Tail) != string(o.Tail) {
				t.Errorf("%+v, %v", same, err)
			}
		}
	})
}
