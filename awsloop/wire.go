package awsloop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// rpc answers a service of the protocol AWS JSON 1.1 with functions of the same
// shape as the SDK's own methods, so that the compiler checks each member and
// value that goes over the wire.
type rpc map[string]func(ctx context.Context, body []byte) (any, error)

// op makes a function an operation of an [rpc].
func op[In, Out any](f func(ctx context.Context, in *In) (*Out, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(in); err != nil {
			return nil, refusal("SerializationException", err.Error())
		}
		return f(ctx, in)
	}
}

func (o rpc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f, ok := o[name]
	if !ok {
		jsonRPC.fail(w, http.StatusBadRequest, "UnknownOperationException", "awsloop doesn't know the operation "+name)
		return
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	out, err := f(r.Context(), body.Bytes())
	if err != nil {
		failAPI(w, err)
		return
	}
	text, err := json.Marshal(wire(reflect.ValueOf(out)))
	if err != nil {
		jsonRPC.fail(w, http.StatusInternalServerError, "InternalServerError", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Write(text) //nolint:errcheck // the client went away
}

// failAPI answers with an error in the service's own words.
func failAPI(w http.ResponseWriter, err error) {
	var known smithy.APIError
	if errors.As(err, &known) {
		jsonRPC.fail(w, http.StatusBadRequest, known.ErrorCode(), known.ErrorMessage())
		return
	}
	jsonRPC.fail(w, http.StatusInternalServerError, "InternalServerError", err.Error())
}

// refusal is an error that the service's model doesn't list.
func refusal(name, message string) error {
	return &smithy.GenericAPIError{Code: name, Message: message, Fault: smithy.FaultClient}
}

// wire turns the SDK's structure into what JSON 1.1 carries: no member that
// isn't set, and times as seconds since 1970.
func wire(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return wire(v.Elem())
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](v); ok {
			return float64(t.UnixMilli()) / 1000
		}
		return wireStruct(v)
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		all := make([]any, v.Len())
		for i := range all {
			all[i] = wire(v.Index(i))
		}
		return all
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
	case reflect.String: // an enumeration, when it isn't a pointer
		if v.Len() == 0 {
			return nil
		}
	}
	return v.Interface()
}

func wireStruct(v reflect.Value) map[string]any {
	members := map[string]any{}
	for i, field := range reflect.VisibleFields(v.Type()) {
		if !field.IsExported() || field.Name == "ResultMetadata" || len(field.Index) > 1 {
			continue
		}
		member := v.Field(i)
		if text, ok := reflect.TypeAssert[*string](member); ok && text != nil {
			members[field.Name] = *text // "" too, as it was set
		} else if value := wire(member); value != nil {
			members[field.Name] = value
		}
	}
	return members
}
