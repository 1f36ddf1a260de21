package ssmexec

import (
	"errors"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answer is what an error of a call that makes something says about it.
type answer int

const (
	unknown  answer = iota // a timeout, a reset, a 5xx: it may have been made
	unsent                 // the request never left: nothing was made
	rejected               // a modelled 4xx: nothing was made
	busy                   // too many requests: nothing was made
)

var throttles = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// answerOf reads an error of the SDK. An answer that isn't AWS's own, such as a
// proxy's page, says nothing. api is AWS's word, if there is one.
func answerOf(err error) (a answer, api smithy.APIError) {
	var resp *smithyhttp.ResponseError
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return unsent, nil
	case !errors.As(err, &resp), !errors.As(err, &api), api.ErrorCode() == "", api.ErrorCode() == "UnknownError":
		return unknown, nil
	}
	status := resp.HTTPStatusCode()
	_, late := retry.DefaultRetryableErrorCodes[api.ErrorCode()] // AWS gave up waiting for the rest of the request
	switch {
	case status == http.StatusTooManyRequests, throttles.IsErrorThrottle(err) == aws.TrueTernary && status < 500:
		return busy, api
	case status >= 400 && status < 500 && !late && api.ErrorFault() != smithy.FaultServer:
		return rejected, api
	}
	return unknown, api
}

// brief is an error without the SDK's wrapping, where AWS said what is wrong.
func brief(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api
	}
	return err
}
