package account

import (
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
)

// LegacyVerifiers returns all bundled verifiers, for [Passwords.Verifiers]:
// [Bcrypt], [Scrypt], [PBKDF2] and [Phpass].
func LegacyVerifiers() []Verifier { return []Verifier{Bcrypt, Scrypt, PBKDF2, Phpass} }

// What the hash of another system may look like at most. A salt or a key of
// another size is a damaged record: a short key would let other passwords in.
const (
	legacyMaxHash = 512 // bytes of the whole
	legacyMaxSalt = 128
	legacyMinKey  = 16
	legacyMaxKey  = 64
)

// legacy is a hash of another system, read and found sensible: key is what work
// makes of the password.
type legacy struct {
	key  []byte
	work func(password string) ([]byte, error)
}

// legacyVerifier is a [Verifier] of one format. parse refuses, before any work
// is done, what is damaged or would take more work than is sensible.
type legacyVerifier struct {
	prefixes []string
	parse    func(hash string) (legacy, error)
}

func (v legacyVerifier) Handles(hash string) bool {
	for _, p := range v.prefixes {
		if strings.HasPrefix(hash, p) {
			return true
		}
	}
	return false
}

func (v legacyVerifier) Verify(hash, password string) (bool, error) {
	if len(hash) > legacyMaxHash || !v.Handles(hash) {
		return false, errHash
	}
	l, err := v.parse(hash)
	if err != nil {
		return false, err
	}
	if len(password) > maxPasswordBytes { // the bound on the work of one pass
		return false, nil
	}
	got, err := l.work(password)
	if err != nil {
		return false, errHash // parameters that passed the bounds but not the library
	}
	return subtle.ConstantTimeCompare(got, l.key) == 1, nil
}

// legacyBytes decodes standard base64 with or without its padding, and the
// variant of passlib that writes a dot for the plus sign. One key or salt has
// one spelling: bits that stand for nothing must be zero.
func legacyBytes(s string, least, most int) ([]byte, error) {
	s = strings.ReplaceAll(s, ".", "+")
	if trimmed := strings.TrimRight(s, "="); trimmed != s {
		if len(s)%4 != 0 || len(s)-len(trimmed) > 2 {
			return nil, errHash
		}
		s = trimmed
	}
	if strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return nil, errHash
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, errHash
	}
	return b, nil
}

// legacyNumber reads a decimal number as a program writes it: no sign, no
// leading zero, between least and most.
func legacyNumber(s string, least, most int) (int, error) {
	if s == "" || len(s) > 9 || strings.Trim(s, "0123456789") != "" || s[0] == '0' {
		return 0, errHash
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, errHash
	}
	return n, nil
}

// phcNumbers reads the parameters of a hash in the PHC string format, such as
// "ln=16,r=8,p=1": exactly these names, in this order.
func phcNumbers(s string, names ...string) (map[string]string, error) {
	fields := strings.Split(s, ",")
	if len(fields) != len(names) {
		return nil, errHash
	}
	values := make(map[string]string, len(names))
	for i, f := range fields {
		v, ok := strings.CutPrefix(f, names[i]+"=")
		if !ok {
			return nil, errHash
		}
		values[names[i]] = v
	}
	return values, nil
}
