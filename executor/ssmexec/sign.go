package ssmexec

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/solocron/solocron/guard"
)

// sign makes the request by which the order's guard claims the attempt, with
// the client's own credentials and endpoint, and sends nothing. DynamoDB's
// clock takes the signature for five minutes.
func (c claims) sign(ctx context.Context, o guard.Order) (*guard.Claim, error) {
	if !c.there() {
		return nil, errNoTable
	}
	var signed *smithyhttp.Request
	_, err := c.db.UpdateItem(ctx, c.decide(o.Attempt, byGuard+o.Token), func(opts *dynamodb.Options) {
		opts.Retryer = aws.NopRetryer{}
		opts.APIOptions = append(opts.APIOptions, func(s *middleware.Stack) error {
			if err := s.Finalize.Insert(plain, "Signing", middleware.Before); err != nil {
				return err
			}
			return s.Finalize.Insert(kept(&signed), "Signing", middleware.After)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("sign the claim of %s: %w", o.Attempt.Dir(), err)
	}
	return posted(signed)
}

// plain leaves only those headers to be signed that say what the request is.
// The others are the SDK's own business, and a client on the host would send
// its own instead.
var plain = finalize("PlainHeaders", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("unknown request type %T", in.Request)
	}
	headers := http.Header{}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		headers.Set(name, req.Header.Get(name))
	}
	req.Header = headers
	return next.HandleFinalize(ctx, in)
})

// kept ends the call with the signed request instead of sending it.
func kept(signed **smithyhttp.Request) middleware.FinalizeMiddleware {
	return finalize("KeepSigned", func(_ context.Context, in middleware.FinalizeInput, _ middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		*signed, _ = in.Request.(*smithyhttp.Request)
		return middleware.FinalizeOutput{Result: &dynamodb.UpdateItemOutput{}}, middleware.Metadata{}, nil
	})
}

func finalize(id string, f func(context.Context, middleware.FinalizeInput, middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error)) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc(id, f)
}

// posted is a signed request as a guard posts it. Host and Content-Length are
// signed too, and follow from the address and the body.
func posted(req *smithyhttp.Request) (*guard.Claim, error) {
	body, err := io.ReadAll(req.GetStream())
	if err != nil {
		return nil, fmt.Errorf("read a signed request: %w", err)
	}
	c := &guard.Claim{URL: req.URL.String(), Headers: map[string]string{}, Body: string(body)}
	for name, values := range req.Header {
		c.Headers[name] = strings.Join(values, ",")
	}
	return c, nil
}
