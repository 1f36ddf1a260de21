package deploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/solocron/solocron/stack"
)

// codePrefix begins the key of every code.
const codePrefix = "solocron/"

// ownBucket looks for the bucket that an apply made; made says that it is there.
func (a *Account) ownBucket(ctx context.Context, i *stack.Installation, p stack.Place) (bucket, error) {
	b := bucket{name: i.Bucket(p), owner: &p.Account}
	_, err := a.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name, ExpectedBucketOwner: b.owner})
	switch code := errorCode(err); {
	case noBucket(err), code == "Forbidden", code == "AccessDenied": // the latter are somebody else's
		return b, nil
	case err != nil:
		return b, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	b.made, err = a.tagged(ctx, i, b)
	return b, err
}

// removeBucket takes the code out of the bucket, and the bucket away if nothing
// else is in it. Repeating is safe.
func (a *Account) removeBucket(ctx context.Context, b bucket) error {
	if !b.made {
		return nil
	}
	for page := (*string)(nil); ; {
		out, err := a.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, ExpectedBucketOwner: b.owner, Prefix: aws.String(codePrefix), ContinuationToken: page})
		if noBucket(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("code in bucket %s: %w", b.name, err)
		}
		for _, o := range out.Contents {
			if _, err := a.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, ExpectedBucketOwner: b.owner, Key: o.Key}); err != nil && !noBucket(err) {
				return fmt.Errorf("delete s3://%s/%s: %w", b.name, aws.ToString(o.Key), err)
			}
		}
		if page = out.NextContinuationToken; page == nil {
			break
		}
	}
	_, err := a.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b.name, ExpectedBucketOwner: b.owner})
	switch {
	case errorCode(err) == "BucketNotEmpty":
		a.tell(Step{Part: "code", Text: "bucket " + b.name + " stays: there is more in it than solocron put there"})
	case err != nil && !noBucket(err):
		return fmt.Errorf("delete bucket %s: %w", b.name, err)
	default:
		a.tell(Step{Part: "code", Text: "bucket " + b.name + " deleted"})
	}
	return nil
}

// deleteTable deletes the ledger and waits until it is gone. Repeating is safe.
func (a *Account) deleteTable(ctx context.Context, name string) error {
	err := settle(ctx, settling, inUse, func() error {
		out, err := a.DynamoDB.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			return err
		}
		if out.Table.TableStatus == types.TableStatusDeleting {
			return nil
		}
		if aws.ToBool(out.Table.DeletionProtectionEnabled) {
			if _, err := a.DynamoDB.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
				return err
			}
		}
		_, err = a.DynamoDB.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		return err
	})
	if err != nil && !notFound(err) {
		return fmt.Errorf("delete table %s: %w", name, err)
	}
	err = poll(ctx, func() (bool, error) {
		there, err := a.table(ctx, name)
		return !there, err
	})
	if err == nil {
		a.tell(Step{Part: "table", Text: name + " deleted"})
	}
	return err
}

// inUse tells that the table is being changed, or its protection still known: a
// moment later it may be deleted.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteTable.html
func inUse(err error) bool {
	code := errorCode(err)
	return code == "ResourceInUseException" || code == "ValidationException" && strings.Contains(err.Error(), "protect")
}
