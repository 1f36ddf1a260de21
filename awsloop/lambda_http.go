package awsloop

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// routes are the operations that Lambda answers.
func (l *Lambda) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, o := range map[string]operation{
		"POST /2015-03-31/functions":                              l.do("CreateFunction", http.StatusCreated, l.createFunction),
		"GET /2015-03-31/functions/{name}":                        l.do("GetFunction", http.StatusOK, l.getFunction),
		"DELETE /2015-03-31/functions/{name}":                     l.do("DeleteFunction", http.StatusNoContent, l.deleteFunction),
		"PUT /2015-03-31/functions/{name}/code":                   l.do("UpdateFunctionCode", http.StatusOK, l.updateCode),
		"GET /2015-03-31/functions/{name}/configuration":          l.do("GetFunctionConfiguration", http.StatusOK, l.getConfiguration),
		"PUT /2015-03-31/functions/{name}/configuration":          l.do("UpdateFunctionConfiguration", http.StatusOK, l.updateConfiguration),
		"POST /2015-03-31/functions/{name}/invocations":           l.on("Invoke", invoke),
		"GET /2015-03-31/functions/{name}/policy":                 l.do("GetPolicy", http.StatusOK, l.getPolicy),
		"POST /2015-03-31/functions/{name}/policy":                l.do("AddPermission", http.StatusCreated, l.addPermission),
		"DELETE /2015-03-31/functions/{name}/policy/{sid}":        l.do("RemovePermission", http.StatusNoContent, l.removePermission),
		"PUT /2019-09-25/functions/{name}/event-invoke-config":    l.do("PutFunctionEventInvokeConfig", http.StatusOK, l.putInvokeConfig),
		"GET /2019-09-25/functions/{name}/event-invoke-config":    l.do("GetFunctionEventInvokeConfig", http.StatusOK, l.getInvokeConfig),
		"DELETE /2019-09-25/functions/{name}/event-invoke-config": l.do("DeleteFunctionEventInvokeConfig", http.StatusNoContent, l.deleteInvokeConfig),
		"/": unknownOperation,
	} {
		mux.Handle(pattern, o)
	}
	return mux
}

// ServeHTTP answers invocations and what makes, changes and tells of functions.
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
	if f.configuration().State == types.StatePending {
		restJSON.fail(w, http.StatusConflict, "ResourceConflictException", "The operation cannot be performed at this time. "+
			"The function is currently in the following state: Pending")
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

// reply answers with a JSON body.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) //nolint:errcheck,errchkjson // the client went away
}
