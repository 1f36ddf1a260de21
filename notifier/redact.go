package notifier

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// Redactor takes secrets out of the texts of errors, which quote addresses,
// commands and whatever a receiver chose to answer.
type Redactor struct{ replacer *strings.Replacer }

// Pieces shorter than this say nothing, and occur everywhere.
const (
	minSecret = 3
	minPiece  = 4
)

// NewRedactor returns a redactor for the given secrets: passwords, tokens, or
// addresses that hold some. A library may take such an address apart and put
// it together in another way, so every word of a secret is taken out as well,
// also where it was percent-encoded.
func NewRedactor(secrets ...string) *Redactor {
	words := map[string]bool{}
	for _, s := range secrets {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			decoded = s
		}
		forms := []string{
			s, url.QueryEscape(s), url.PathEscape(s),
			decoded, url.QueryEscape(decoded), url.PathEscape(decoded),
		}
		for _, form := range forms {
			words[form] = len(form) >= minSecret
			for _, piece := range strings.FieldsFunc(form, notAlphanumeric) {
				words[piece] = words[piece] || len(piece) >= minPiece
			}
		}
	}
	var pairs []string
	for w, secret := range words {
		if secret {
			pairs = append(pairs, w)
		}
	}
	slices.SortFunc(pairs, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for i := len(pairs); i > 0; i-- {
		pairs = slices.Insert(pairs, i, "…")
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// Clean returns the text without the secrets, on one line, cut to what an
// error should say.
func (r *Redactor) Clean(text string) string {
	return plain(strings.TrimSpace(r.replacer.Replace(text)), reasonBytes)
}
