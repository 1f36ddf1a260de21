package awsloop

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// lambdaStatuses of the errors that are not 400.
var lambdaStatuses = map[string]int{"ResourceConflictException": 409, "ResourceNotFoundException": 404}

// do answers an operation that takes a body, or none, and returns a structure of
// the SDK's.
func (l *Lambda) do(name string, status int, serve func(r *http.Request, body []byte) (any, error)) operation {
	return operation{name, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		out, err := serve(r, body)
		var known smithy.APIError
		switch {
		case asAPI(err, &known):
			restJSON.fail(w, cmp.Or(lambdaStatuses[known.ErrorCode()], http.StatusBadRequest), known.ErrorCode(), known.ErrorMessage())
		case err != nil:
			restJSON.fail(w, http.StatusInternalServerError, "ServiceException", err.Error())
		case status == http.StatusNoContent:
			w.WriteHeader(status)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(wire(reflect.ValueOf(out))) //nolint:errcheck,errchkjson // the client went away
		}
	}}
}

func asAPI(err error, known *smithy.APIError) bool { return errors.As(err, known) }

// functionRequest is what CreateFunction, UpdateFunctionCode and
// UpdateFunctionConfiguration may say here; what they don't set is nil.
type functionRequest struct {
	FunctionName, Role, Handler, Description *string
	Runtime                                  types.Runtime
	PackageType                              types.PackageType
	Architectures                            []types.Architecture
	Timeout, MemorySize                      *int32
	Environment                              *types.Environment
	LoggingConfig                            *types.LoggingConfig
	Tags                                     map[string]string
	Code                                     types.FunctionCode
	Publish, DryRun                          bool
	types.FunctionCode                       // of UpdateFunctionCode
}

func readFunction(body []byte) (*functionRequest, error) {
	in := &functionRequest{}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return nil, invalidParameter("not known here: %v", err)
	}
	err := in.check()
	return in, err
}

func (in *functionRequest) check() error {
	switch {
	case in.Timeout != nil && !within(in.Timeout, 1, 900):
		return invalidParameter("Timeout is not in 1-900")
	case in.MemorySize != nil && !within(in.MemorySize, 128, 10240):
		return invalidParameter("MemorySize is not in 128-10240")
	case !oneOf(in.Runtime, "", types.RuntimeProvidedal2023, types.RuntimeProvidedal2):
		return invalidParameter("Runtime %s is not known here", in.Runtime)
	case in.Role != nil && !roleForm.MatchString(*in.Role):
		return invalidParameter("Role %s", *in.Role)
	case len(in.Architectures) > 1 || slices.ContainsFunc(in.Architectures, func(a types.Architecture) bool { return !oneOf(a, "arm64", "x86_64") }):
		return invalidParameter("Architectures %v", in.Architectures)
	case !oneOf(in.PackageType, "", types.PackageTypeZip) || in.Publish || in.DryRun:
		return invalidParameter("PackageType, Publish and DryRun are not known here")
	}
	return nil
}

// errRole is what Lambda says of a role that isn't there, isn't known to it yet,
// or doesn't trust it.
var errRole = refusal("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")

func (l *Lambda) checkRole(r *http.Request, role, functionARN string) error {
	err := l.server.inside().assume(r.Context(), role, "lambda.amazonaws.com", map[string]string{
		"aws:SourceAccount": l.server.options.Account, "aws:SourceArn": functionARN,
	})
	if err != nil {
		l.server.log.Info("role not assumed by Lambda", "role", role, "err", err)
		return errRole
	}
	return nil
}

func (l *Lambda) createFunction(r *http.Request, body []byte) (any, error) {
	in, err := readFunction(body)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.FunctionName)
	switch {
	case !functionName.MatchString(name):
		return nil, invalidParameter("FunctionName %s", name)
	case in.Role == nil || in.Handler == nil || in.Runtime == "":
		return nil, invalidParameter("Role, Handler and Runtime are mandatory for functions created with deployment packages.")
	}
	if _, err := l.Find(name); err == nil {
		return nil, refusal("ResourceConflictException", "Function already exist: "+name)
	}
	if err := l.checkRole(r, *in.Role, l.server.functionARN(name)); err != nil {
		return nil, err
	}
	c, err := l.fetch(r.Context(), name, in.Code)
	if err != nil {
		return nil, err
	}
	o := l.common
	o.Name = name
	f := newFunction(l.server, o)
	f.config.Architectures = []types.Architecture{types.ArchitectureX8664} // the default of AWS
	f.config.Timeout, f.config.MemorySize = aws.Int32(3), aws.Int32(128)
	f.tags = in.Tags
	f.change(in, &c, l.common)
	f.pending = true
	if err := l.add(f); err != nil {
		f.close()
		return nil, refusal("ResourceConflictException", err.Error())
	}
	return f.configuration(), nil
}

// change sets what a request says, and the code if there is a new one. f.mu is
// held, or nobody else has f yet.
func (f *Function) change(in *functionRequest, c *unpacked, common FunctionOptions) {
	config := &f.config
	if c != nil {
		config.CodeSize, config.CodeSha256 = c.size, &c.sha256
		f.o.Bootstrap = filepath.Join(c.dir, "bootstrap")
	}
	config.Role, config.Handler = cmp.Or(in.Role, config.Role), cmp.Or(in.Handler, config.Handler)
	config.Description = cmp.Or(in.Description, config.Description)
	config.Runtime = cmp.Or(in.Runtime, config.Runtime)
	config.Timeout, config.MemorySize = cmp.Or(in.Timeout, config.Timeout), cmp.Or(in.MemorySize, config.MemorySize)
	if in.Architectures != nil {
		config.Architectures = in.Architectures
	}
	if in.Environment != nil {
		config.Environment = &types.EnvironmentResponse{Variables: in.Environment.Variables}
	}
	config.LoggingConfig = cmp.Or(in.LoggingConfig, config.LoggingConfig)
	config.LastModified = aws.String(time.Now().UTC().Format("2006-01-02T15:04:05.000-0700"))
	config.RevisionId = aws.String(f.server.guid())

	f.o.Timeout = time.Duration(*config.Timeout) * time.Second
	f.o.architecture, f.o.memory = config.Architectures[0], *config.MemorySize
	f.o.Env = slices.Clone(common.Env)
	if config.Environment != nil {
		for _, name := range slices.Sorted(maps.Keys(config.Environment.Variables)) {
			f.o.Env = append(f.o.Env, name+"="+config.Environment.Variables[name])
		}
	}
	f.version++ // processes of before are not used again
	k := f.server.Knobs().Pending
	if f.busyUntil = (time.Time{}); f.server.roll(k) {
		f.busyUntil = time.Now().Add(k.For)
	}
}

func (l *Lambda) updateCode(r *http.Request, body []byte) (any, error) {
	return l.update(r, body, func(f *Function, in *functionRequest) (*unpacked, error) {
		c, err := l.fetch(r.Context(), f.name(), in.FunctionCode)
		return &c, err
	})
}

func (l *Lambda) updateConfiguration(r *http.Request, body []byte) (any, error) {
	return l.update(r, body, func(f *Function, in *functionRequest) (*unpacked, error) {
		if in.Role == nil {
			return nil, nil
		}
		return nil, l.checkRole(r, *in.Role, f.arn)
	})
}

func (l *Lambda) update(r *http.Request, body []byte, prepare func(*Function, *functionRequest) (*unpacked, error)) (any, error) {
	in, err := readFunction(body)
	if err != nil {
		return nil, err
	}
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	if err := f.checkIdle(); err != nil {
		return nil, err
	}
	c, err := prepare(f, in)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.pending = false
	f.change(in, c, l.common)
	f.mu.Unlock()
	f.Recycle()
	return f.configuration(), nil
}

// checkIdle refuses to change a function that isn't ready yet.
func (f *Function) checkIdle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Now().Before(f.busyUntil) {
		return refusal("ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for resource: "+f.arn)
	}
	return nil
}

// requested is the function that the request's path means.
func (l *Lambda) requested(r *http.Request) (*Function, error) {
	f, err := l.Find(r.PathValue("name"))
	if q := r.FormValue("Qualifier"); err != nil || q != "" && q != "$LATEST" {
		return nil, refusal("ResourceNotFoundException", "Function not found: "+l.server.functionARN(r.PathValue("name")))
	}
	return f, nil
}

func (l *Lambda) deleteFunction(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	delete(l.byName, f.name())
	l.mu.Unlock()
	f.close()
	return nil, nil
}

func (l *Lambda) getFunction(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	c := f.configuration()
	return lambda.GetFunctionOutput{
		Configuration: &c, Tags: f.tags,
		Code:        &types.FunctionCodeLocation{RepositoryType: aws.String("S3"), Location: aws.String("https://awsloop.invalid/" + f.name())},
		Concurrency: &types.Concurrency{ReservedConcurrentExecutions: aws.Int32(int32(f.options().Concurrency))}, //nolint:gosec // it is small
	}, nil
}

func (l *Lambda) getConfiguration(r *http.Request, _ []byte) (any, error) {
	f, err := l.requested(r)
	if err != nil {
		return nil, err
	}
	return f.configuration(), nil
}
