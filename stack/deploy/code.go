package deploy

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/solocron/solocron/stack"
	"github.com/solocron/solocron/stack/template"
)

// bucket is where the function's code goes.
type bucket struct {
	name string
	// owner is the account that the bucket must be of; nil for one that was
	// given, which may be shared. Anybody may have a bucket of a name that we
	// would choose, and would then give us his code.
	owner *string
	made  bool // it is there and, if it is ours, as it should be
	holds bool // the code is in it
}

// bucket looks for the one that is given, else that of the stack, else the one
// that would be made.
func (a *Account) bucket(ctx context.Context, i *stack.Installation, p stack.Place, s *standing, given string) (bucket, error) {
	own := i.Bucket(p)
	b := bucket{name: cmp.Or(given, own)}
	if given == "" && s != nil {
		b.name = cmp.Or(s.parameters[template.CodeBucket], own)
	}
	if b.name == own {
		b.owner = &p.Account
	}
	_, err := a.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.name, ExpectedBucketOwner: b.owner})
	switch {
	case noBucket(err) && b.name != own:
		return b, fmt.Errorf("bucket %s is not there: make it in %s, or leave --bucket out", b.name, i.Region)
	case noBucket(err):
		return b, nil
	case err != nil:
		return b, fmt.Errorf("bucket %s: %w; --bucket names another one in %s that these credentials may use", b.name, err, i.Region)
	}
	b.made = true
	if b.name == own {
		if b.made, err = a.tagged(ctx, i, b); err != nil {
			return b, err
		}
		// The tag comes last, so without it the making may have been interrupted.
		if !b.made {
			if err := a.unused(ctx, i, b); err != nil {
				return b, err
			}
		}
	}
	b.holds, err = a.holdsCode(ctx, b)
	return b, err
}

func noBucket(err error) bool {
	code := errorCode(err)
	return code == "NotFound" || code == "NoSuchBucket"
}

// tagged reports whether the bucket is the installation's own.
func (a *Account) tagged(ctx context.Context, i *stack.Installation, b bucket) (bool, error) {
	tags, err := a.bucketTags(ctx, b)
	return slices.ContainsFunc(tags, func(t types.Tag) bool { return aws.ToString(t.Key) == template.Tag && aws.ToString(t.Value) == i.Name }), err
}

func (a *Account) bucketTags(ctx context.Context, b bucket) ([]types.Tag, error) {
	out, err := a.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b.name, ExpectedBucketOwner: b.owner})
	switch {
	case errorCode(err) == "NoSuchTagSet" || noBucket(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("tags of bucket %s: %w", b.name, err)
	}
	return out.TagSet, nil
}

// unused refuses a bucket that somebody has made for something else, though it
// has our name: to make it ours would take its tags and close it, and to destroy
// the installation would then delete what is in it.
func (a *Account) unused(ctx context.Context, i *stack.Installation, b bucket) error {
	tags, err := a.bucketTags(ctx, b)
	if err != nil {
		return err
	}
	out, err := a.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, ExpectedBucketOwner: b.owner, MaxKeys: aws.Int32(1)})
	if err != nil && !noBucket(err) {
		return fmt.Errorf("content of bucket %s: %w", b.name, err)
	}
	if len(tags) > 0 || err == nil && len(out.Contents) > 0 {
		return fmt.Errorf("bucket %s is in use, and it is not solocron's (it has no tag %s=%s): name another one with --bucket, or give it the tag if it is meant for this", b.name, template.Tag, i.Name)
	}
	return nil
}

// holdsCode reports whether the code is in the bucket. S3 vouches for what was
// uploaded with its checksum; what wasn't is uploaded again.
func (a *Account) holdsCode(ctx context.Context, b bucket) (bool, error) {
	key := a.Code.Key()
	out, err := a.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: b.owner, ChecksumMode: types.ChecksumModeEnabled})
	switch code := errorCode(err); {
	case code == "NotFound" || code == "NoSuchKey":
		return false, nil
	case err != nil:
		return false, fmt.Errorf("code s3://%s/%s: %w", b.name, key, err)
	}
	sum, err := checksum(a.Code.Hash)
	return aws.ToString(out.ChecksumSHA256) == sum, err
}

// checksum is a SHA-256 in hex as S3 has it.
func checksum(hash string) (string, error) {
	sum, err := hex.DecodeString(hash)
	if err != nil || len(sum) != sha256.Size {
		return "", fmt.Errorf("code: %q is no SHA-256 in hex", hash)
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// makeBucket makes the installation's own bucket, private and closed to the
// public. Repeating is safe.
func (a *Account) makeBucket(ctx context.Context, i *stack.Installation, b bucket) error {
	in := &s3.CreateBucketInput{Bucket: &b.name, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	// us-east-1 is what no constraint means, and can't be named.
	// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
	if i.Region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(i.Region)}
	}
	return settle(ctx, settling, newBucket, func() error {
		if _, err := a.S3.CreateBucket(ctx, in); err != nil && errorCode(err) != "BucketAlreadyOwnedByYou" {
			return fmt.Errorf("make bucket %s: %w", b.name, err)
		}
		_, err := a.S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
			Bucket: &b.name, ExpectedBucketOwner: b.owner,
			PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
			},
		})
		if err != nil {
			return fmt.Errorf("close bucket %s to the public: %w", b.name, err)
		}
		_, err = a.S3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
			Bucket: &b.name, ExpectedBucketOwner: b.owner,
			Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String(template.Tag), Value: &i.Name}}},
		})
		if err != nil {
			return fmt.Errorf("tag bucket %s: %w", b.name, err)
		}
		return nil
	})
}

// newBucket tells what S3 may say of a bucket that was just made, or that is
// being made by somebody else at once.
func newBucket(err error) bool {
	code := errorCode(err)
	return noBucket(err) || code == "OperationAborted" || code == "ConditionalRequestConflict"
}

// upload puts the code under its hash. Repeating is safe.
func (a *Account) upload(ctx context.Context, b bucket) error {
	sum, err := checksum(a.Code.Hash)
	if err != nil {
		return err
	}
	key := a.Code.Key()
	return settle(ctx, settling, newBucket, func() error {
		_, err := a.S3.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &b.name, Key: &key, ExpectedBucketOwner: b.owner,
			Body: bytes.NewReader(a.Code.Zip), ContentLength: aws.Int64(int64(len(a.Code.Zip))),
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: &sum,
		})
		if err != nil {
			return fmt.Errorf("upload the code to s3://%s/%s: %w", b.name, key, err)
		}
		return nil
	})
}

// putCode makes sure that the code is in the bucket.
func (a *Account) putCode(ctx context.Context, i *stack.Installation, b bucket) error {
	if !b.made {
		if err := a.makeBucket(ctx, i, b); err != nil {
			return err
		}
		a.tell(Step{Part: "code", Text: "bucket " + b.name + " made"})
	}
	if b.holds {
		return nil
	}
	if err := a.upload(ctx, b); err != nil {
		return err
	}
	a.tell(Step{Part: "code", Text: fmt.Sprintf("%d bytes uploaded to s3://%s", len(a.Code.Zip), b.name)})
	return nil
}
