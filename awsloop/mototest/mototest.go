// Package mototest gives tests a moto_server: one process per test binary,
// started at first use on a loopback port, that stands in for DynamoDB, EC2,
// Auto Scaling, SNS and more. It is moto's own program (the Python package
// moto[server]); a test that doesn't find it fails.
//
// All tests of a binary share what the server holds, so each names its tables,
// topics and instances for itself. DynamoDB is made atomic, as moto's is not:
// sitecustomize.py says how.
//
// A package that uses it ends its tests through [Main].
package mototest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

var (
	start   = sync.OnceValues(newServer)
	started atomic.Bool
)

// Main runs the tests, stops the server if one was started, and exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for those who have more to do before they exit with its result.
func Run(m *testing.M) int {
	code := m.Run()
	if started.Load() {
		if s, err := start(); err == nil {
			if err := s.stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = max(code, 1)
			}
		}
	}
	return code
}

// Start returns the server's endpoint, such as http://127.0.0.1:40123.
func Start(t testing.TB) string {
	t.Helper()
	started.Store(true)
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return s.endpoint
}

// Region is where everything happens.
const Region = "ap-northeast-1"

// Config is the configuration of clients that talk to the endpoint alone. Their
// connections are closed when the test ends.
func Config(t testing.TB, endpoint string) aws.Config {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider("AKIATEST", "secret of the tests", ""),
		BaseEndpoint: aws.String(endpoint),
		HTTPClient:   &http.Client{Transport: transport},
	}
}

// Table makes a DynamoDB table and deletes it when the test ends. The client repeats
// a call whose answer was lost: then the table is there already, or is gone.
func Table(t testing.TB, config aws.Config, schema *dynamodb.CreateTableInput) {
	t.Helper()
	client := dynamodb.NewFromConfig(config)
	_, err := client.CreateTable(t.Context(), schema)
	if there := (*types.ResourceInUseException)(nil); err != nil && !errors.As(err, &there) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: schema.TableName})
		if gone := (*types.ResourceNotFoundException)(nil); err != nil && !errors.As(err, &gone) {
			t.Error(err)
		}
	})
}
