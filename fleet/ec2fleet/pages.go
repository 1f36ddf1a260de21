package ec2fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"
)

const (
	// parallel is how many calls of one kind are under way. How many a second
	// Systems Manager allows is not published; the SDK waits when it is told to.
	parallel = 5
	// maxPages is more than any fleet has. A list without an end is an error,
	// since what would be missing of it nobody could see.
	maxPages = 1000
)

// pages asks for page after page, each with the token that the last one gave.
func pages(operation string, ask func(token *string) (next *string, err error)) error {
	var token *string
	for range maxPages {
		next, err := ask(token)
		if err != nil || aws.ToString(next) == "" {
			return err
		}
		if aws.ToString(next) == aws.ToString(token) {
			return fmt.Errorf("%s: the same page again and again", operation)
		}
		token = next
	}
	return fmt.Errorf("%s: no end after %d pages", operation, maxPages)
}

// gather asks all the questions, a few at a time, and returns the answers in
// the order of the questions. The first error ends it.
func gather[Q, A any](ctx context.Context, questions []Q, ask func(context.Context, Q) ([]A, error)) ([]A, error) {
	answers := make([][]A, len(questions))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, q := range questions {
		g.Go(func() (err error) {
			answers[i], err = ask(ctx, q)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(answers...), nil
}

// byID drops what pages repeat.
func byID[V any](list []V, id func(V) *string) map[string]V {
	m := make(map[string]V, len(list))
	for _, v := range list {
		m[aws.ToString(id(v))] = v
	}
	return m
}
