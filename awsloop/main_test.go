package awsloop_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/solocron/solocron/awsloop"
	"github.com/solocron/solocron/awsloop/mototest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite ends moto, and removes what was built, with the tests.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer awsloop.RemoveBootstrap()
	return mototest.Run(s.M)
}
