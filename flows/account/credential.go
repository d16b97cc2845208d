package account

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/connectid-kit/connectid/store"
)

// Credential is an e-mail address or phone number that somebody wrote.
type Credential struct {
	Kind     store.CredentialKind
	Identity string // by which it is compared: local@domain in lower case and ASCII, or E.164
	Spelling string // as it was written, trimmed
}

// Lengths of RFC 5321, section 4.5.3.1, and of phone numbers as people write them.
const (
	maxEmail = 254
	maxLocal = 64
	maxPhone = 40
)

// ParseCredential reads an e-mail address, or a phone number in any spelling;
// numbers without a prefix are of the region (ISO 3166 alpha-2, default NO).
// The error is [ErrCredentialEmpty] or [ErrCredentialInvalid].
//
// Addresses keep dots and plus signs: who owns which spelling is the mail
// host's business. Local parts outside ASCII, and domains that mix alphabets,
// are refused, as look-alikes are two people.
func ParseCredential(raw, region string) (Credential, error) {
	// What is longer can be no credential, however much white space is around it.
	if len(raw) > 4*maxEmail || !utf8.ValidString(raw) {
		return Credential{}, ErrCredentialInvalid
	}
	s := strings.TrimSpace(raw)
	switch {
	case s == "":
		return Credential{}, ErrCredentialEmpty
	case strings.ContainsFunc(s, unprintable):
		return Credential{}, ErrCredentialInvalid
	case strings.Contains(s, "@"):
		return parseEmail(s)
	}
	return parsePhone(s, region)
}

// unprintable reports whether r must stand in no credential: controls, and
// format characters that do not show.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// domains maps what people write to what the DNS compares (UTS #46, RFC 5891):
// lower case, ASCII, each label of a length that fits.
var domains = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

func parseEmail(s string) (Credential, error) {
	local, domain, _ := strings.Cut(s, "@")
	if !isLocal(local) || strings.Contains(domain, "@") {
		return Credential{}, ErrCredentialInvalid
	}
	ascii, err := domains.ToASCII(domain)
	if err != nil || !strings.Contains(ascii, ".") || mixesAlphabets(ascii) {
		return Credential{}, ErrCredentialInvalid
	}
	tld := ascii[strings.LastIndexByte(ascii, '.')+1:]
	if strings.Trim(tld, "0123456789") == "" { // an address, not a name
		return Credential{}, ErrCredentialInvalid
	}
	id := strings.ToLower(local) + "@" + ascii
	if len(id) > maxEmail || len(s) > maxEmail {
		return Credential{}, ErrCredentialInvalid
	}
	return Credential{Kind: store.Email, Identity: id, Spelling: norm.NFC.String(s)}, nil
}

// isLocal reports whether s is a dot-atom (RFC 5322, section 3.2.3). Quoted
// local parts are legal and refused: what they allow is what breaks headers.
func isLocal(s string) bool {
	if s == "" || len(s) > maxLocal || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", rune(c)) {
			return false
		}
	}
	return true
}

// mixesAlphabets reports whether a label has Latin letters beside Cyrillic,
// Greek, Armenian or Cherokee ones, which can look the same (UTS #39).
func mixesAlphabets(ascii string) bool {
	if !strings.Contains(ascii, "xn--") {
		return false
	}
	name, err := domains.ToUnicode(ascii)
	if err != nil {
		return true
	}
	for label := range strings.SplitSeq(name, ".") {
		var latin, alike bool
		for _, r := range label {
			latin = latin || unicode.Is(unicode.Latin, r)
			alike = alike || unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
		}
		if latin && alike {
			return true
		}
	}
	return false
}

func parsePhone(s, region string) (Credential, error) {
	if len(s) > maxPhone || strings.Trim(s, "+0123456789 -()./\u00a0\u202f\u2009\u2010\u2011\u2013") != "" ||
		strings.Count(s, "+") > 1 || strings.IndexByte(s, '+') > strings.IndexAny(s, "0123456789") {
		return Credential{}, ErrCredentialInvalid
	}
	if region == "" {
		region = "NO"
	}
	n, err := phonenumbers.Parse(s, strings.ToUpper(region))
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return Credential{}, ErrCredentialInvalid
	}
	return Credential{Kind: store.Phone, Identity: phonenumbers.Format(n, phonenumbers.E164), Spelling: s}, nil
}

// IsZero reports whether c is no credential.
func (c Credential) IsZero() bool { return c.Kind == "" }

// Reachable returns [ErrCredentialPremium] for a number to which no code can
// be sent: only mobiles get SMS. It asks no one.
func (c Credential) Reachable() error {
	if c.Kind != store.Phone {
		return nil
	}
	n, err := phonenumbers.Parse(c.Identity, "")
	if err != nil {
		return ErrCredentialInvalid
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE: // +1 does not tell them apart
		return nil
	}
	return ErrCredentialPremium
}

// address returns where messages to the credential go: the local part as it was
// written, as only its host knows whether case matters, at the ASCII domain.
func (c Credential) address() (string, error) {
	if c.Kind != store.Email {
		return c.Identity, nil
	}
	local, _, ok := strings.Cut(c.Spelling, "@")
	_, domain, ok2 := strings.Cut(c.Identity, "@")
	if !ok || !ok2 || !isLocal(local) || !strings.EqualFold(local+"@"+domain, c.Identity) {
		return "", errors.New("stored spelling is not of the stored identity")
	}
	return local + "@" + domain, nil
}

// Masked returns the credential so that its owner recognises it and nobody
// else learns it: o•••@example.com, +47 ••• •• 345.
func (c Credential) Masked() string {
	switch c.Kind {
	case store.Email:
		_, domain, ok := strings.Cut(c.Identity, "@")
		if !ok {
			return "•••"
		}
		return c.Identity[:1] + "•••@" + domain
	case store.Phone:
		n, err := phonenumbers.Parse(c.Identity, "")
		if err != nil || len(c.Identity) < 8 {
			return "•••"
		}
		return "+" + strconv.Itoa(int(n.GetCountryCode())) + " ••• •• " + c.Identity[len(c.Identity)-3:]
	}
	return ""
}
