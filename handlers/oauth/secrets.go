package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// NewSecret returns a client secret of 256 random bits and its hash for
// [store.Client.Secrets]. The secret can not be had again from the hash.
func NewSecret() (secret, hash string) {
	for !isRandom(secret) { // once, but for about one in a thousand
		secret = randomToken()
	}
	return secret, fastHash(secret)
}

// HashSecret returns the form in which a client secret is kept in
// [store.Client.Secrets]. What looks like 256 random bits (base64url or
// hexadecimal, such as [NewSecret] and "openssl rand -hex 32" write) gets one
// SHA-256; everything else may have been chosen by a person and gets argon2id
// (RFC 9106), which makes every first use cost some 20 ms. It fails for a secret
// that is empty or longer than 256 bytes.
func HashSecret(secret string) (string, error) {
	if secret == "" || len(secret) > maxSecret {
		return "", fmt.Errorf("bad secret: want 1 to %d bytes", maxSecret)
	}
	if isRandom(secret) {
		return fastHash(secret), nil
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	p := argonParams{memory: 19 * 1024, time: 2, threads: 1, salt: salt}
	return p.encode(p.key(secret, argonKey)), nil
}

const (
	maxSecret  = 256
	fastPrefix = "sha256:"
	slowPrefix = "$argon2id$"
	argonKey   = 32
)

// isRandom reports whether s has the form and the variety of 256 random bits.
func isRandom(s string) bool {
	var seen [256]bool
	distinct, lower, upper, digit, hex := 0, false, false, false, true
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			digit = true
		case 'a' <= c && c <= 'z':
			lower = true
			hex = hex && c <= 'f'
		case 'A' <= c && c <= 'Z':
			upper = true
			hex = false
		case c == '-' || c == '_':
			hex = false
		default:
			return false
		}
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	return hex && len(s) >= 64 && distinct >= 12 ||
		len(s) >= 43 && distinct >= 20 && lower && upper && digit
}

func fastHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return fastPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// fastMatch compares in constant time. A hash of another kind never matches.
func fastMatch(hash, secret string) bool {
	var got [43]byte
	sum := store.DigestOf(secret)
	base64.RawURLEncoding.Encode(got[:], sum[:])
	want, ok := strings.CutPrefix(hash, fastPrefix)
	return subtle.ConstantTimeCompare(got[:], []byte(want)) == 1 && ok && secret != ""
}

func isSlow(hash string) bool { return strings.HasPrefix(hash, slowPrefix) }

// dummyHash is what a secret is compared with when there is nothing else.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// slowMatch computes argon2id; the caller bounds how many run at once.
func slowMatch(hash, secret string) (bool, error) {
	p, want, err := parseArgon(hash)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(p.key(secret, len(want)), want) == 1, nil
}

// argonParams are the parameters of the PHC string
// $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type argonParams struct {
	memory, time uint32
	threads      uint8
	salt         []byte
}

func (p argonParams) key(secret string, length int) []byte {
	return argon2.IDKey([]byte(secret), p.salt, p.time, p.memory, p.threads, uint32(length))
}

func (p argonParams) encode(key []byte) string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$%s$%s", slowPrefix, argon2.Version,
		p.memory, p.time, p.threads, enc.EncodeToString(p.salt), enc.EncodeToString(key))
}

var errArgon = errors.New("bad argon2id hash of a client secret")

// parseArgon refuses parameters that a login server could not afford.
func parseArgon(hash string) (p argonParams, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v=19" {
		return p, nil, errArgon
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, nil, errArgon
	}
	p.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return p, nil, errArgon
	}
	key, err = base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(p.salt) < 8 || len(key) < 16 || len(key) > 64 ||
		p.memory > 256*1024 || p.time < 1 || p.time > 10 || p.threads < 1 || p.threads > 8 {
		return p, nil, errArgon
	}
	return p, key, nil
}

// randomToken returns 256 random bits as 43 characters.
func randomToken() string {
	var b [32]byte
	rand.Read(b[:])
	return keys.Token(b)
}
