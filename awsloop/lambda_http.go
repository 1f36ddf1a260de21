package awsloop

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
)

// routes are the operations that Lambda answers.
func (l *Lambda) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /2015-03-31/functions/{name}/invocations", l.on("Invoke", invoke))
	mux.Handle("GET /2015-03-31/functions/{name}", l.on("GetFunction", getFunction))
	mux.Handle("GET /2015-03-31/functions/{name}/configuration", l.on("GetFunctionConfiguration", getConfiguration))
	mux.Handle("/", unknownOperation)
	return mux
}

// ServeHTTP answers Invoke, GetFunction and GetFunctionConfiguration.
func (l *Lambda) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.mux.ServeHTTP(w, r) }

// Operation names what the request asks for.
func (l *Lambda) Operation(r *http.Request) string { return operationBy(l.mux, r) }

// operation is the answer to one operation of a REST service.
type operation struct {
	name string
	http.HandlerFunc
}

var unknownOperation = operation{"", func(w http.ResponseWriter, r *http.Request) {
	restJSON.fail(w, http.StatusNotFound, "UnknownOperationException", r.Method+" "+r.URL.Path)
}}

func operationBy(mux *http.ServeMux, r *http.Request) string {
	if h, _ := mux.Handler(r); h != nil {
		if o, ok := h.(operation); ok && o.name != "" {
			return o.name
		}
	}
	return r.Method + " " + r.URL.Path
}

// on finds the function that the request means.
func (l *Lambda) on(name string, serve func(*Function, http.ResponseWriter, *http.Request)) operation {
	return operation{name, func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		f, err := l.Find(name)
		if q := r.FormValue("Qualifier"); err != nil || q != "" && q != "$LATEST" {
			restJSON.fail(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+name+q)
			return
		}
		serve(f, w, r)
	}}
}

func invoke(f *Function, w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		restJSON.fail(w, http.StatusBadRequest, "InvalidRequestContentException", err.Error())
		return
	}
	if len(payload) > 0 && !json.Valid(payload) {
		restJSON.fail(w, http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
		f.invokeSync(w, r, payload)
	case "Event":
		if err := f.InvokeAsync(payload); err != nil {
			restJSON.fail(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", err.Error())
			return
		}
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		restJSON.fail(w, http.StatusBadRequest, "InvalidParameterValueException", "InvocationType "+kind)
	}
}

func (f *Function) invokeSync(w http.ResponseWriter, r *http.Request, payload []byte) {
	if len(payload) > syncLimit {
		restJSON.fail(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", strconv.Itoa(len(payload))+" bytes")
		return
	}
	response, functionError, err := f.Invoke(r.Context(), payload)
	switch {
	case errors.Is(err, ErrThrottled):
		restJSON.fail(w, http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
		return
	case err != nil:
		restJSON.fail(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	case functionError != "":
		w.Header().Set("X-Amz-Function-Error", functionError)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(response) //nolint:errcheck // the client went away
}

// configuration is a FunctionConfiguration, as far as it means anything here.
type configuration struct {
	FunctionName, FunctionArn string
	Runtime, Role, Handler    string
	CodeSize                  int64
	Timeout, MemorySize       int
	LastModified, Version     string
	State, LastUpdateStatus   string
	PackageType               string
	Architectures             []string
	LoggingConfig             map[string]string
}

func (f *Function) configuration() configuration {
	c := configuration{
		FunctionName: f.o.Name, FunctionArn: f.arn,
		Runtime: "provided.al2023", Handler: "bootstrap",
		Role:    "arn:aws:iam::" + f.server.options.Account + ":role/" + f.o.Name,
		Timeout: int(f.o.Timeout.Seconds()), MemorySize: 128,
		Version: "$LATEST", State: "Active", LastUpdateStatus: "Successful",
		PackageType: "Zip", Architectures: []string{"arm64"},
		LoggingConfig: map[string]string{"LogFormat": "Text", "LogGroup": "/aws/lambda/" + f.o.Name},
	}
	if info, err := os.Stat(f.o.Bootstrap); err == nil {
		c.CodeSize = info.Size()
		c.LastModified = info.ModTime().UTC().Format("2006-01-02T15:04:05.000-0700")
	}
	return c
}

func getConfiguration(f *Function, w http.ResponseWriter, _ *http.Request) {
	reply(w, f.configuration())
}

func getFunction(f *Function, w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{
		"Configuration": f.configuration(),
		"Concurrency":   map[string]int{"ReservedConcurrentExecutions": f.o.Concurrency},
	})
}

// reply answers with a JSON body.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck,errchkjson // the client went away
}
