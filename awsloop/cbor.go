package awsloop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/smithy-go/encoding/cbor"
)

// rpcCBOR is the protocol that CloudWatch's clients speak: the path names
// service and operation, bodies are CBOR.
//
// Source: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
const rpcCBOR protocol = "cbor"

const cborHeader, cborName = "Smithy-Protocol", "rpc-v2-cbor"

// translated passes CBOR on as AWS JSON, which moto speaks instead, and turns
// the answer back.
func translated(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		text, err := toJSON(body)
		if err != nil {
			rpcCBOR.fail(w, http.StatusBadRequest, "SerializationException", err.Error())
			return
		}
		// /service/GraniteServiceVersion20100801/operation/PutMetricAlarm
		parts := strings.Split(r.URL.Path, "/")
		in := r.Clone(r.Context())
		in.URL.Path, in.URL.RawPath = "/", ""
		in.Header.Del(cborHeader)
		in.Header.Set("Content-Type", "application/x-amz-json-1.0")
		in.Header.Set("X-Amz-Target", parts[min(2, len(parts)-1)]+"."+path.Base(r.URL.Path))
		in.Header.Set("Content-Length", strconv.Itoa(len(text)))
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, in)
		out, err := fromJSON(answer.Body.Bytes())
		if err != nil {
			rpcCBOR.fail(w, http.StatusInternalServerError, "InternalServiceError", err.Error())
			return
		}
		writeCBOR(w, answer.Code, out)
	})
}

func writeCBOR(w http.ResponseWriter, status int, v cbor.Value) {
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set(cborHeader, cborName)
	w.WriteHeader(status)
	w.Write(cbor.Encode(v)) //nolint:errcheck // the client went away
}

func toJSON(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return []byte("{}"), nil
	}
	v, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	plain, err := plainly(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// plainly turns CBOR into what JSON is made from; a moment is its seconds.
func plainly(v cbor.Value) (any, error) {
	switch v := v.(type) {
	case cbor.Map:
		all := map[string]any{}
		for key, one := range v {
			plain, err := plainly(one)
			if err != nil {
				return nil, err
			}
			all[key] = plain
		}
		return all, nil
	case cbor.List:
		all := make([]any, len(v))
		for i, one := range v {
			plain, err := plainly(one)
			if err != nil {
				return nil, err
			}
			all[i] = plain
		}
		return all, nil
	case *cbor.Tag:
		return plainly(v.Value)
	case cbor.String:
		return string(v), nil
	case cbor.Bool:
		return bool(v), nil
	case cbor.Uint:
		return uint64(v), nil
	case cbor.NegInt:
		return -int64(v), nil //nolint:gosec // it is a small number
	case cbor.Float32:
		return float64(v), nil
	case cbor.Float64:
		return float64(v), nil
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	}
	return nil, fmt.Errorf("CBOR %T is not known here", v)
}

func fromJSON(text []byte) (cbor.Value, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return cbor.Map{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return asCBOR("", v)
}

// asCBOR turns JSON into CBOR. What is a moment shows in its name alone.
func asCBOR(name string, v any) (cbor.Value, error) {
	switch v := v.(type) {
	case map[string]any:
		all := cbor.Map{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			one, err := asCBOR(key, v[key])
			if err != nil {
				return nil, err
			}
			all[key] = one
		}
		return all, nil
	case []any:
		all := cbor.List{}
		for _, one := range v {
			c, err := asCBOR(name, one)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		return all, nil
	case string:
		return cbor.String(v), nil
	case bool:
		return cbor.Bool(v), nil
	case json.Number:
		return number(name, v)
	}
	return &cbor.Nil{}, nil
}

func number(name string, n json.Number) (cbor.Value, error) {
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil && !isMoment(name) {
		return cbor.Uint(u), nil
	}
	f, err := n.Float64()
	if isMoment(name) {
		return &cbor.Tag{ID: 1, Value: cbor.Float64(f)}, err
	}
	return cbor.Float64(f), err
}

func isMoment(name string) bool {
	return strings.HasSuffix(name, "Timestamp") || strings.HasSuffix(name, "Timestamps") || strings.HasSuffix(name, "Time")
}
