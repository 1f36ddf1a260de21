package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/solocron/solocron/schedule"
)

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func scheduleSpec(expr, seed string) schedule.Spec {
	return schedule.Spec{Expr: expr, Zone: "UTC", Gap: schedule.GapNext, Fold: schedule.FoldFirst, Seed: seed}
}

type fakeBucket struct {
	owner   string
	tags    []s3types.Tag
	closed  bool
	objects map[string]string // checksums
}

type fakeS3 struct{ *cloud }

// open finds a bucket as S3 does: not there, or somebody else's.
func (c *cloud) bucket(name, owner *string) (*fakeBucket, error) {
	b := c.buckets[*name]
	switch {
	case b == nil:
		return nil, apiError("NoSuchBucket", "The specified bucket does not exist")
	case owner != nil && *owner != b.owner:
		return nil, apiError("AccessDenied", "Access Denied")
	}
	return b, nil
}

func (f fakeS3) HeadBucket(_ context.Context, in *s3.HeadBucketInput, _ ...func(*s3.Options)) (*s3.HeadBucketOutput, error) {
	return call(f.cloud, "HeadBucket", func() (*s3.HeadBucketOutput, error) {
		_, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		switch errorCode(err) {
		case "NoSuchBucket":
			err = apiError("NotFound", "Not Found")
		case "AccessDenied":
			err = apiError("Forbidden", "Forbidden")
		}
		return &s3.HeadBucketOutput{}, err
	})
}

func (f fakeS3) CreateBucket(_ context.Context, in *s3.CreateBucketInput, _ ...func(*s3.Options)) (*s3.CreateBucketOutput, error) {
	return call(f.cloud, "CreateBucket", func() (*s3.CreateBucketOutput, error) {
		if f.buckets[*in.Bucket] != nil {
			return nil, apiError("BucketAlreadyOwnedByYou", "you own it")
		}
		f.buckets[*in.Bucket] = &fakeBucket{owner: "123456789012", objects: map[string]string{}}
		return &s3.CreateBucketOutput{}, nil
	})
}

func (f fakeS3) PutPublicAccessBlock(_ context.Context, in *s3.PutPublicAccessBlockInput, _ ...func(*s3.Options)) (*s3.PutPublicAccessBlockOutput, error) {
	return call(f.cloud, "PutPublicAccessBlock", func() (*s3.PutPublicAccessBlockOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err == nil {
			b.closed = true
		}
		return &s3.PutPublicAccessBlockOutput{}, err
	})
}

func (f fakeS3) GetBucketTagging(_ context.Context, in *s3.GetBucketTaggingInput, _ ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error) {
	return call(f.cloud, "GetBucketTagging", func() (*s3.GetBucketTaggingOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		switch {
		case err != nil:
			return nil, err
		case len(b.tags) == 0:
			return nil, apiError("NoSuchTagSet", "The TagSet does not exist")
		}
		return &s3.GetBucketTaggingOutput{TagSet: b.tags}, nil
	})
}

func (f fakeS3) PutBucketTagging(_ context.Context, in *s3.PutBucketTaggingInput, _ ...func(*s3.Options)) (*s3.PutBucketTaggingOutput, error) {
	return call(f.cloud, "PutBucketTagging", func() (*s3.PutBucketTaggingOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err == nil {
			b.tags = in.Tagging.TagSet
		}
		return &s3.PutBucketTaggingOutput{}, err
	})
}

func (f fakeS3) HeadObject(_ context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	return call(f.cloud, "HeadObject", func() (*s3.HeadObjectOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		sum, ok := b.objects[*in.Key]
		if !ok {
			return nil, apiError("NotFound", "Not Found")
		}
		return &s3.HeadObjectOutput{ChecksumSHA256: &sum}, nil
	})
}

func (f fakeS3) PutObject(_ context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	return call(f.cloud, "PutObject", func() (*s3.PutObjectOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(in.Body)
		if err != nil {
			return nil, err
		}
		if sum, err := checksum(sha256Hex(data)); err != nil || sum != *in.ChecksumSHA256 {
			return nil, apiError("BadDigest", "the checksum did not match")
		}
		b.objects[*in.Key] = *in.ChecksumSHA256
		return &s3.PutObjectOutput{}, nil
	})
}

func (f fakeS3) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return call(f.cloud, "ListObjectsV2", func() (*s3.ListObjectsV2Output, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		out := &s3.ListObjectsV2Output{}
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			if !strings.HasPrefix(key, aws.ToString(in.Prefix)) || key <= aws.ToString(in.ContinuationToken) {
				continue
			}
			if len(out.Contents) == 1 { // small pages
				out.NextContinuationToken = out.Contents[0].Key
				break
			}
			out.Contents = append(out.Contents, s3types.Object{Key: &key})
		}
		return out, nil
	})
}

func (f fakeS3) DeleteObject(_ context.Context, in *s3.DeleteObjectInput, _ ...func(*s3.Options)) (*s3.DeleteObjectOutput, error) {
	return call(f.cloud, "DeleteObject", func() (*s3.DeleteObjectOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		if err == nil {
			delete(b.objects, *in.Key)
		}
		return &s3.DeleteObjectOutput{}, err
	})
}

func (f fakeS3) DeleteBucket(_ context.Context, in *s3.DeleteBucketInput, _ ...func(*s3.Options)) (*s3.DeleteBucketOutput, error) {
	return call(f.cloud, "DeleteBucket", func() (*s3.DeleteBucketOutput, error) {
		b, err := f.bucket(in.Bucket, in.ExpectedBucketOwner)
		switch {
		case err != nil:
			return nil, err
		case len(b.objects) > 0:
			return nil, apiError("BucketNotEmpty", "The bucket you tried to delete is not empty")
		}
		delete(f.buckets, *in.Bucket)
		return &s3.DeleteBucketOutput{}, nil
	})
}

type fakeSchedule struct {
	scheduler.GetScheduleOutput
}

type fakeScheduler struct{ *cloud }

var errNoSchedule = &types.ResourceNotFoundException{Message: aws.String("Schedule does not exist.")}

func (f fakeScheduler) ListSchedules(_ context.Context, in *scheduler.ListSchedulesInput, _ ...func(*scheduler.Options)) (*scheduler.ListSchedulesOutput, error) {
	return call(f.cloud, "ListSchedules", func() (*scheduler.ListSchedulesOutput, error) {
		if !f.group {
			return nil, &types.ResourceNotFoundException{Message: aws.String("Schedule group cron does not exist.")}
		}
		out := &scheduler.ListSchedulesOutput{}
		names := slices.Sorted(maps.Keys(f.schedules))
		from, _ := strconv.Atoi(aws.ToString(in.NextToken))
		for _, name := range names[from:min(from+int(*in.MaxResults), len(names))] {
			s := f.schedules[name]
			out.Schedules = append(out.Schedules, types.ScheduleSummary{
				Name: s.Name, State: s.State, CreationDate: s.CreationDate, LastModificationDate: s.LastModificationDate, Target: &types.TargetSummary{Arn: s.Target.Arn},
			})
		}
		if to := from + int(*in.MaxResults); to < len(names) {
			out.NextToken = aws.String(itoa(to))
		}
		return out, nil
	})
}

func (f fakeScheduler) GetSchedule(_ context.Context, in *scheduler.GetScheduleInput, _ ...func(*scheduler.Options)) (*scheduler.GetScheduleOutput, error) {
	return call(f.cloud, "GetSchedule", func() (*scheduler.GetScheduleOutput, error) {
		s := f.schedules[*in.Name]
		if s == nil {
			return nil, errNoSchedule
		}
		out := s.GetScheduleOutput
		return &out, nil
	})
}

func (f fakeScheduler) CreateSchedule(_ context.Context, in *scheduler.CreateScheduleInput, _ ...func(*scheduler.Options)) (*scheduler.CreateScheduleOutput, error) {
	return call(f.cloud, "CreateSchedule", func() (*scheduler.CreateScheduleOutput, error) {
		switch {
		case !f.group:
			return nil, errNoSchedule
		case time.Now().Before(f.assumable):
			return nil, &types.ValidationException{Message: aws.String("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")}
		case f.schedules[*in.Name] != nil:
			return nil, &types.ConflictException{Message: aws.String("Schedule " + *in.Name + " already exists.")}
		}
		now := time.Now()
		f.schedules[*in.Name] = &fakeSchedule{scheduler.GetScheduleOutput{
			Name: in.Name, State: in.State, CreationDate: &now, LastModificationDate: &now, ScheduleExpression: in.ScheduleExpression,
			ScheduleExpressionTimezone: in.ScheduleExpressionTimezone, FlexibleTimeWindow: in.FlexibleTimeWindow, Target: in.Target,
		}}
		return &scheduler.CreateScheduleOutput{}, nil
	})
}

func (f fakeScheduler) UpdateSchedule(_ context.Context, in *scheduler.UpdateScheduleInput, _ ...func(*scheduler.Options)) (*scheduler.UpdateScheduleOutput, error) {
	return call(f.cloud, "UpdateSchedule", func() (*scheduler.UpdateScheduleOutput, error) {
		s := f.schedules[*in.Name]
		if s == nil {
			return nil, errNoSchedule
		}
		now := time.Now()
		s.State, s.LastModificationDate, s.ScheduleExpression, s.ScheduleExpressionTimezone = in.State, &now, in.ScheduleExpression, in.ScheduleExpressionTimezone
		s.FlexibleTimeWindow, s.Target = in.FlexibleTimeWindow, in.Target
		return &scheduler.UpdateScheduleOutput{}, nil
	})
}

func (f fakeScheduler) DeleteSchedule(_ context.Context, in *scheduler.DeleteScheduleInput, _ ...func(*scheduler.Options)) (*scheduler.DeleteScheduleOutput, error) {
	return call(f.cloud, "DeleteSchedule", func() (*scheduler.DeleteScheduleOutput, error) {
		if f.schedules[*in.Name] == nil {
			return nil, errNoSchedule
		}
		delete(f.schedules, *in.Name)
		return &scheduler.DeleteScheduleOutput{}, nil
	})
}
