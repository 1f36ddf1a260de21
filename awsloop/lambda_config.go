package awsloop

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// defaultConfiguration is what the API tells of a function that is made from Go.
func defaultConfiguration(s *Server, o FunctionOptions) types.FunctionConfiguration {
	c := types.FunctionConfiguration{
		FunctionName: &o.Name, FunctionArn: aws.String(s.functionARN(o.Name)), Version: aws.String("$LATEST"),
		Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"), PackageType: types.PackageTypeZip,
		Role:    aws.String("arn:aws:iam::" + s.options.Account + ":role/" + o.Name),
		Timeout: aws.Int32(int32(o.Timeout.Seconds())), MemorySize: &o.memory,
		Architectures: []types.Architecture{native()},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String("/aws/lambda/" + o.Name)},
	}
	if info, err := os.Stat(o.Bootstrap); err == nil {
		c.CodeSize = info.Size()
		c.LastModified = aws.String(info.ModTime().UTC().Format("2006-01-02T15:04:05.000-0700"))
	}
	return c
}

// configuration is the function's, with its state at the time.
func (f *Function) configuration() types.FunctionConfiguration {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.config
	c.State, c.LastUpdateStatus = types.StateActive, types.LastUpdateStatusSuccessful
	switch busy := time.Now().Before(f.busyUntil); {
	case busy && f.pending:
		c.State, c.LastUpdateStatus = types.StatePending, types.LastUpdateStatusInProgress
		c.StateReasonCode, c.StateReason = types.StateReasonCodeCreating, aws.String("The function is being created.")
	case busy:
		c.LastUpdateStatus = types.LastUpdateStatusInProgress
		c.LastUpdateStatusReasonCode, c.LastUpdateStatusReason = "Creating", aws.String("The function is being created.")
	}
	return c
}

// native is this machine's architecture, as Lambda names it.
func native() types.Architecture {
	if runtime.GOARCH == "arm64" {
		return types.ArchitectureArm64
	}
	return types.ArchitectureX8664
}

// environ is what a process of the function sees, with a Runtime API at addr.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func (f *Function) environ(o FunctionOptions, addr string) []string {
	return slices.Concat([]string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(o.Bootstrap),
		"_HANDLER=bootstrap",
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"AWS_LAMBDA_RUNTIME_API=" + addr,
		"AWS_LAMBDA_FUNCTION_NAME=" + o.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(int(o.memory)),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + o.Name,
	}, f.server.Environ(), o.Env)
}
