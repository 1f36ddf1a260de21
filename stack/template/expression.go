package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// tokener writes itself as an expression of Terraform.
type tokener interface{ tokens() hclwrite.Tokens }

// expression writes a value for Terraform with the names that it has in JSON.
func expression(v any) hclwrite.Tokens {
	if t, ok := v.(tokener); ok {
		return t.tokens()
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.String:
		return hclwrite.TokensForValue(cty.StringVal(rv.String()))
	case reflect.Bool:
		return hclwrite.TokensForValue(cty.BoolVal(rv.Bool()))
	case reflect.Int, reflect.Int32, reflect.Int64:
		return hclwrite.TokensForValue(cty.NumberIntVal(rv.Int()))
	case reflect.Pointer:
		return expression(rv.Elem().Interface())
	case reflect.Slice:
		return tuple(rv)
	case reflect.Map:
		return object(rv)
	case reflect.Struct:
		return record(rv)
	}
	panic(fmt.Sprintf("template: %T can't be written for Terraform", v)) // a property of a new type
}

// tuple writes one element a line if there are more.
func tuple(list reflect.Value) hclwrite.Tokens {
	if list.Len() < 2 {
		var elements []hclwrite.Tokens
		for i := range list.Len() {
			elements = append(elements, expression(list.Index(i).Interface()))
		}
		return hclwrite.TokensForTuple(elements)
	}
	newline := &hclwrite.Token{Type: hclsyntax.TokenNewline, Bytes: []byte("\n")}
	all := hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}, newline}
	for i := range list.Len() {
		all = append(all, expression(list.Index(i).Interface())...)
		all = append(all, &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")}, newline)
	}
	return append(all, &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")})
}

func object(m reflect.Value) hclwrite.Tokens {
	var members []hclwrite.ObjectAttrTokens
	for _, k := range slices.SortedFunc(slices.Values(m.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
		members = append(members, member(k.String(), m.MapIndex(k)))
	}
	return hclwrite.TokensForObject(members)
}

func record(s reflect.Value) hclwrite.Tokens {
	var members []hclwrite.ObjectAttrTokens
	for f, v := range s.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || strings.Contains(options, "omitempty") && (v.IsZero() || v.Kind() == reflect.Map && v.Len() == 0) {
			continue
		}
		if name == "" {
			name = f.Name
		}
		members = append(members, member(name, v))
	}
	return hclwrite.TokensForObject(members)
}

func member(name string, v reflect.Value) hclwrite.ObjectAttrTokens {
	key := hclwrite.TokensForIdentifier(name)
	if !hclsyntax.ValidIdentifier(name) {
		key = expression(name)
	}
	return hclwrite.ObjectAttrTokens{Name: key, Value: expression(v.Interface())}
}

var placeholder = regexp.MustCompile(`\$\{AWS::(Partition|Region|AccountId)\}`)

// tokens writes the text as a template of Terraform, or as what alone is in it.
func (t text) tokens() hclwrite.Tokens {
	if alone := placeholders[string(t)]; alone != nil {
		return path(alone...)
	}
	all := hclwrite.Tokens{{Type: hclsyntax.TokenOQuote, Bytes: []byte(`"`)}}
	from := 0
	for _, at := range placeholder.FindAllStringIndex(string(t), -1) {
		whole := string(t[from:at[0]])
		before := strings.TrimRight(whole, "$")
		all = append(all, quoted(before)...)
		if dollars := whole[len(before):]; dollars != "" { // $${ would be a plain ${
			all = append(all, interpolation(expression(dollars))...)
		}
		all = append(all, interpolation(path(placeholders[string(t[at[0]:at[1]])]...))...)
		from = at[1]
	}
	all = append(all, quoted(string(t[from:]))...)
	return append(all, &hclwrite.Token{Type: hclsyntax.TokenCQuote, Bytes: []byte(`"`)})
}

// quoted is a literal without its quotes.
func quoted(t string) hclwrite.Tokens {
	tokens := expression(strings.ReplaceAll(t, "${!", "${"))
	return tokens[1 : len(tokens)-1]
}

func interpolation(of hclwrite.Tokens) hclwrite.Tokens {
	all := hclwrite.Tokens{{Type: hclsyntax.TokenTemplateInterp, Bytes: []byte("${")}}
	all = append(all, of...)
	return append(all, &hclwrite.Token{Type: hclsyntax.TokenTemplateSeqEnd, Bytes: []byte("}")})
}

func (p parameter) tokens() hclwrite.Tokens { return path("var", snake(string(p))) }

func (r reference) tokens() hclwrite.Tokens {
	attribute := r.to.kind().ref
	if r.attribute != "" {
		attribute = snake(r.attribute)
	}
	return path(r.to.kind().terraform, snake(r.to.ID), attribute)
}

func (e embedded) tokens() hclwrite.Tokens {
	return hclwrite.TokensForFunctionCall("jsonencode", expression(e.any))
}

// tokens writes JSON as the expression that it is for Terraform, too.
func (d raw) tokens() hclwrite.Tokens {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(d))
	if err := decoder.Decode(&v); err != nil {
		panic("template: " + err.Error()) // of this program's own making
	}
	return expression(v)
}

// path is a.b.c.
func path(names ...string) hclwrite.Tokens {
	var all hclwrite.Tokens
	for i, name := range names {
		if i > 0 {
			all = append(all, &hclwrite.Token{Type: hclsyntax.TokenDot, Bytes: []byte(".")})
		}
		all = append(all, hclwrite.TokensForIdentifier(name)...)
	}
	return all
}

// snake is the name that Terraform gives to what CloudFormation calls id:
// function_role for FunctionRole.
func snake(id string) string {
	var b strings.Builder
	for i, r := range id {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
