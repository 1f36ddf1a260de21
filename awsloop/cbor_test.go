package awsloop

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/aws/smithy-go/encoding/cbor"
)

func TestCBOR(t *testing.T) {
	t.Parallel()
	const text = `{"Alarms":[{"Name":"a","Period":60,"Threshold":0.5,"Low":-3,"On":true,"Updated":null}],"StateUpdatedTimestamp":1795368765.25}`
	made, err := fromJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	at := made.(cbor.Map)["StateUpdatedTimestamp"]
	if moment, err := cbor.AsTime(at); err != nil || moment.UnixMilli() != 1795368765250 {
		t.Errorf("%v, %v", at, err)
	}
	back, err := toJSON(cbor.Encode(made))
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(back, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", back, err)
	}
	if _, err := toJSON([]byte{0xff}); err == nil {
		t.Error("broken CBOR is accepted")
	}
}

func FuzzCBOR(f *testing.F) {
	f.Add([]byte(`{"a":[1,-2,0.5,"x",true,null,{"b":{}}],"Time":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		made, err := fromJSON(text)
		if err != nil {
			return
		}
		if _, err := toJSON(cbor.Encode(made)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}
