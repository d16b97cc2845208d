package publisher

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Digits returns what a reader typed as a number without the spaces, points and
// dashes that people put into it; false when there is anything else, or nothing.
func Digits(typed string) (string, bool) {
	var b strings.Builder
	for _, r := range typed {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '.' || r == '-' || r == '–' || unicode.IsSpace(r):
		default:
			return "", false
		}
	}
	s := strings.TrimLeft(b.String(), "0")
	return s, s != "" && len(s) <= 15
}

// MembershipNumber returns the canonical form of a membership number, in which
// the store-backed system keeps them: capitals and digits without anything
// between them.
func MembershipNumber(typed string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '-', r == '–', r == '.', r == '/':
			return -1
		}
		return unicode.ToUpper(r)
	}, typed)
}

// spellings are letters that are written in more than one way.
var spellings = strings.NewReplacer("å", "aa", "æ", "ae", "ä", "ae", "ø", "oe", "ö", "oe", "ü", "ue", "ß", "ss", "ð", "d", "þ", "th")

// folded returns a name in the form in which names are compared: lower case,
// without accents, spaces and dashes, with æ as ae.
func folded(name string) string {
	name = spellings.Replace(strings.ToLower(norm.NFC.String(name)))
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1 // also the accents, which NFD has taken off their letters
	}, norm.NFD.String(name))
}

// SameName reports whether a reader typed the last name on record: in other
// capitals, without accents, or the last of two names. An empty name is nobody's.
func SameName(typed, record string) bool {
	want := folded(typed)
	if want == "" {
		return false
	}
	if want == folded(record) {
		return true
	}
	parts := strings.FieldsFunc(record, func(r rune) bool { return unicode.IsSpace(r) || r == '-' })
	return len(parts) > 1 && want == folded(parts[len(parts)-1])
}

// SamePostalCode reports whether a reader typed the postal code on record, with
// or without the space in it and the country before it.
func SamePostalCode(typed, record string) bool {
	want := postal(typed)
	return want != "" && want == postal(record)
}

func postal(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, s)
	for _, country := range []string{"NO", "SE", "DK", "FI", "N", "S", "D"} {
		if rest, ok := strings.CutPrefix(s, country); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return rest
		}
	}
	return s
}

// proves reports whether each proof that is given is right, and one is given.
func (s Search) proves(lastName, company, postalCode string) bool {
	if s.LastName == "" && s.PostalCode == "" {
		return false
	}
	if s.LastName != "" && !SameName(s.LastName, lastName) {
		typed := folded(s.LastName) // a company's whole name; "AS" alone is many a company's
		if typed == "" || typed != folded(company) {
			return false
		}
	}
	return s.PostalCode == "" || SamePostalCode(s.PostalCode, postalCode)
}
