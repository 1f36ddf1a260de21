package stacks

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// operation answers a request of the Query protocol. It is made from a function
// of the same shape as the SDK's own method, so that the compiler checks each
// member that goes over the wire.
type operation func(form url.Values) (any, error)

func op[In, Out any](f func(in *In) (*Out, error)) operation {
	return func(form url.Values) (any, error) {
		in := new(In)
		if err := decode(form, reflect.ValueOf(in).Elem()); err != nil {
			return nil, refused("MalformedInput", err.Error())
		}
		out, err := f(in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// ServeHTTP answers one operation, which the form's Action names.
func (c *CloudFormation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		fail(w, refused("MalformedInput", err.Error()))
		return
	}
	action := r.PostForm.Get("Action")
	do, ok := c.operations[action]
	if !ok {
		fail(w, refused("InvalidAction", "Could not find operation "+action+" for version 2010-05-15"))
		return
	}
	r.PostForm.Del("Action")
	r.PostForm.Del("Version")
	out, err := do(r.PostForm)
	if err != nil {
		fail(w, err)
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, `<%sResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><%[1]sResult>`, action)
	encodeMembers(&text, reflect.ValueOf(out).Elem())
	fmt.Fprintf(&text, "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%[1]sResponse>", action, c.id())
	w.Header().Set("Content-Type", "text/xml")
	w.Write([]byte(xml.Header + text.String())) //nolint:errcheck // the client went away
}

// refused is an error in the service's own words.
func refused(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: smithy.FaultClient}
}

// notValid is how CloudFormation refuses most of what it doesn't like.
func notValid(format string, args ...any) error {
	return refused("ValidationError", fmt.Sprintf(format, args...))
}

func fail(w http.ResponseWriter, err error) {
	status, code, message := http.StatusInternalServerError, "InternalFailure", err.Error()
	var known smithy.APIError
	if errors.As(err, &known) {
		status, code, message = http.StatusBadRequest, known.ErrorCode(), known.ErrorMessage()
	}
	if code == "ChangeSetNotFound" {
		status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, xml.Header+"<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, escape(message))
}

func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) //nolint:errcheck // a Builder takes all
	return b.String()
}

// decode reads a form such as Tags.member.1.Key=… into the SDK's structure.
func decode(form url.Values, into reflect.Value) error {
	for key, values := range form {
		if err := set(into, strings.Split(key, "."), values[0]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

const longestList = 500

func set(v reflect.Value, path []string, text string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return set(v.Elem(), path, text)
	case reflect.Struct:
		if len(path) == 0 {
			return errors.New("a structure has members")
		}
		field := v.FieldByName(path[0])
		if !field.IsValid() || !field.CanSet() || path[0] == "ResultMetadata" {
			return fmt.Errorf("unknown member %s", path[0])
		}
		return set(field, path[1:], text)
	case reflect.Slice:
		return setElement(v, path, text)
	}
	if len(path) > 0 {
		return fmt.Errorf("a %s has no member %s", v.Kind(), path[0])
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case reflect.Int32:
		n, err := strconv.ParseInt(text, 10, 32)
		v.SetInt(n)
		return err
	}
	return fmt.Errorf("a %s is not known here", v.Kind())
}

// setElement sets Tags.member.1 and the like; an empty list is sent as "Tags=".
func setElement(v reflect.Value, path []string, text string) error {
	if len(path) == 0 && text == "" {
		return nil
	}
	if len(path) < 2 || path[0] != "member" {
		return errors.New("a list has members")
	}
	n, err := strconv.Atoi(path[1])
	if err != nil || n < 1 || n > longestList {
		return fmt.Errorf("%s is no member's number", path[1])
	}
	if v.Len() < n {
		longer := reflect.MakeSlice(v.Type(), n, n)
		reflect.Copy(longer, v)
		v.Set(longer)
	}
	return set(v.Index(n-1), path[2:], text)
}

// encodeMembers writes what is set in the SDK's structure.
func encodeMembers(b *strings.Builder, v reflect.Value) {
	for _, field := range reflect.VisibleFields(v.Type()) {
		if field.IsExported() && field.Name != "ResultMetadata" && len(field.Index) == 1 {
			encode(b, field.Name, v.FieldByIndex(field.Index))
		}
	}
}

var leaves = []reflect.Kind{reflect.String, reflect.Bool, reflect.Int32}

func encode(b *strings.Builder, name string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			encode(b, name, v.Elem())
		}
		return
	case v.Kind() == reflect.Slice && v.IsNil(), v.Kind() == reflect.String && v.Type().Name() != "string" && v.Len() == 0:
		return // a list or an enumeration that isn't set
	}
	b.WriteString("<" + name + ">")
	t, isTime := reflect.TypeAssert[time.Time](v)
	switch {
	case isTime:
		b.WriteString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			encode(b, "member", v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		encodeMembers(b, v)
	case slices.Contains(leaves, v.Kind()):
		b.WriteString(escape(fmt.Sprint(v.Interface())))
	}
	b.WriteString("</" + name + ">")
}
