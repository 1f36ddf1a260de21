package job

import (
	"bytes"
	"encoding/json"
	"maps"
)

// schema is a JSON Schema of draft 2020-12.
type schema map[string]any

// with returns a copy that has one keyword more.
func (s schema) with(keyword string, value any) schema {
	c := maps.Clone(s)
	if c == nil {
		c = schema{}
	}
	c[keyword] = value
	return c
}

func tableSchema(name, item schema) schema {
	return schema{"type": "object", "propertyNames": name, "additionalProperties": item}
}

func objectSchema[T any](fields []field[T]) schema {
	properties, required := schema{}, []string{}
	for _, f := range fields {
		if f.schema != nil {
			properties[f.key] = f.schema
		}
		if f.required {
			required = append(required, f.key)
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// Schema is the JSON Schema of the jobs file, for editors. It comes from the
// same shapes as the decoder. A file that Decode accepts is valid under it;
// what needs more than a look at one value, such as an unknown notify target,
// Decode alone finds.
func Schema() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	s := fileShape.schema.
		with("$schema", "https://json-schema.org/draft/2020-12/schema").
		with("title", "solocron jobs file")
	if err := enc.Encode(s); err != nil {
		panic(err) // a schema holds only strings, numbers, lists and maps
	}
	return b.Bytes()
}
