package ec2fleet

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithytime "github.com/aws/smithy-go/time"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/orisano/gosax"
)

// description is what a fleet needs of an answer to DescribeInstances: five of
// some two hundred fields. The SDK reads all of them through encoding/xml,
// which takes longer than everything else about a pick, so it is given an empty
// answer instead. Errors are left to it.
type description struct{ instances []ec2types.Instance }

// instead is what remains for the SDK to read.
const instead = "<DescribeInstancesResponse><nextToken>%s</nextToken></DescribeInstancesResponse>"

// take puts the answer in the place of the SDK's own reading.
func (d *description) take(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ReadInstances",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			response, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || response.StatusCode/100 != 2 {
				return out, metadata, err
			}
			token, err := d.read(response.Body)
			if err = errors.Join(err, response.Body.Close()); err != nil {
				return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("read the instances: %w", err)}
			}
			response.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(instead, escape.Replace(token))))
			return out, metadata, nil
		}), middleware.After)
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// read keeps the instances and returns the token of the next page.
func (d *description) read(body io.Reader) (token string, err error) {
	d.instances = nil // of a try before
	r := xmlReader{gosax.NewReaderSize(body, 64<<10)}
	r.EmitSelfClosingTag = true
	if root, err := r.root(); err != nil || root != "DescribeInstancesResponse" {
		return "", errors.Join(err, fmt.Errorf("the answer is <%s>", root))
	}
	err = r.children(func(name string) (err error) {
		switch name {
		case "reservationSet":
			return r.children(func(string) error { return r.children(d.reservation(r)) })
		case "nextToken":
			token, err = r.text()
			return err
		}
		return r.skip()
	})
	return token, err
}

func (d *description) reservation(r xmlReader) func(string) error {
	return func(name string) error {
		if name != "instancesSet" {
			return r.skip()
		}
		return r.children(func(string) error {
			var i ec2types.Instance
			err := r.children(func(name string) error { return readField(&i, name, r) })
			d.instances = append(d.instances, i)
			return err
		})
	}
}

func readField(i *ec2types.Instance, name string, r xmlReader) error {
	switch name {
	case "instanceId":
		id, err := r.text()
		i.InstanceId = &id
		return err
	case "platform":
		platform, err := r.text()
		i.Platform = ec2types.PlatformValues(platform)
		return err
	case "launchTime":
		text, err := r.text()
		if err != nil {
			return err
		}
		at, err := smithytime.ParseDateTime(text)
		i.LaunchTime = &at
		return err
	case "instanceState":
		i.State = &ec2types.InstanceState{}
		return r.children(func(name string) error {
			if name != "name" {
				return r.skip()
			}
			state, err := r.text()
			i.State.Name = ec2types.InstanceStateName(state)
			return err
		})
	case "tagSet":
		return r.children(func(string) error {
			tag, err := readTag(r)
			i.Tags = append(i.Tags, tag)
			return err
		})
	}
	return r.skip()
}

func readTag(r xmlReader) (tag ec2types.Tag, err error) {
	err = r.children(func(name string) error {
		text, err := r.text()
		switch name {
		case "key":
			tag.Key = aws.String(text)
		case "value":
			tag.Value = aws.String(text)
		}
		return err
	})
	return tag, err
}

// xmlReader reads elements one after the other. After an element's start was
// read, exactly one of children, text and skip must be called.
type xmlReader struct{ *gosax.Reader }

// root reads the start of the document's element.
func (r xmlReader) root() (name string, err error) {
	for {
		e, err := r.Event()
		switch {
		case err != nil:
			return "", err
		case e.Type() == gosax.EventStart:
			return elementName(e), nil
		case e.Type() == gosax.EventEOF:
			return "", io.ErrUnexpectedEOF
		}
	}
}

// children calls back with each element in the one that was begun.
func (r xmlReader) children(each func(name string) error) error {
	for {
		e, err := r.inside()
		if err != nil || e.Type() == gosax.EventEnd {
			return err
		}
		if e.Type() == gosax.EventStart {
			if err := each(elementName(e)); err != nil {
				return err
			}
		}
	}
}

// text is the element's text; elements in it are left out.
func (r xmlReader) text() (string, error) {
	var text string
	for {
		e, err := r.inside()
		if err != nil || e.Type() == gosax.EventEnd {
			return text, err
		}
		switch e.Type() {
		case gosax.EventStart:
			if err := r.skip(); err != nil {
				return "", err
			}
		case gosax.EventText, gosax.EventCData:
			token, err := gosax.Token(e)
			if err != nil {
				return "", err
			}
			text += string(token.(xml.CharData))
		}
	}
}

// skip passes the rest of the element that was begun.
func (r xmlReader) skip() error {
	for depth := 1; depth > 0; {
		e, err := r.inside()
		if err != nil {
			return err
		}
		switch e.Type() {
		case gosax.EventStart:
			depth++
		case gosax.EventEnd:
			depth--
		}
	}
	return nil
}

// inside is the next event of an element that has not ended.
func (r xmlReader) inside() (gosax.Event, error) {
	e, err := r.Event()
	if err == nil && e.Type() == gosax.EventEOF {
		err = io.ErrUnexpectedEOF // an answer that broke off is no shorter list
	}
	return e, err
}

func elementName(e gosax.Event) string {
	name, _ := gosax.Name(e.Bytes)
	return string(name)
}
