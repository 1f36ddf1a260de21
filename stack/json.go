package stack

import (
	"encoding/json"
	"reflect"
)

// SameJSON reports whether two texts are JSON and mean the same.
func SameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
