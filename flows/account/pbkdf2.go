package account

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
)

// PBKDF2 is a [Verifier] for PBKDF2 (RFC 8018) with HMAC-SHA-1, -256 and -512:
// Django's pbkdf2_sha256$600000$salt$key (and pbkdf2_sha1), passlib's
// $pbkdf2-sha256$29000$salt$key (and $pbkdf2$ and $pbkdf2-sha512$), and the PHC
// string format, $pbkdf2-sha256$i=29000$salt$key, with or without l. A hash of
// more than 2 million rounds is refused.
var PBKDF2 Verifier = legacyVerifier{[]string{
	"pbkdf2_sha256$", "pbkdf2_sha1$", "pbkdf2_sha512$",
	"$pbkdf2$", "$pbkdf2-sha1$", "$pbkdf2-sha256$", "$pbkdf2-sha512$",
}, parsePBKDF2}

const pbkdf2MaxRounds = 2_000_000

func parsePBKDF2(s string) (legacy, error) {
	plain := !strings.HasPrefix(s, "$")
	f := strings.Split(strings.TrimPrefix(s, "$"), "$")
	if len(f) != 4 {
		return legacy{}, errHash
	}
	digest, size, err := pbkdf2Digest(f[0])
	if err != nil {
		return legacy{}, err
	}
	// A key longer than the digest would multiply the work.
	want, err := legacyBytes(f[3], legacyMinKey, size)
	if err != nil {
		return legacy{}, err
	}
	rounds, err := pbkdf2Rounds(f[1], plain, len(want))
	if err != nil {
		return legacy{}, err
	}
	salt, err := legacySalt(f[2], plain)
	if err != nil {
		return legacy{}, err
	}
	return legacy{want, func(password string) ([]byte, error) {
		return pbkdf2.Key(digest, password, salt, rounds, len(want))
	}}, nil
}

// pbkdf2Digest returns the digest that the format names, and its size.
func pbkdf2Digest(name string) (func() hash.Hash, int, error) {
	switch name {
	case "pbkdf2_sha256", "pbkdf2-sha256":
		return sha256.New, sha256.Size, nil
	case "pbkdf2_sha512", "pbkdf2-sha512":
		return sha512.New, sha512.Size, nil
	case "pbkdf2_sha1", "pbkdf2-sha1", "pbkdf2":
		return sha1.New, sha1.Size, nil
	}
	return nil, 0, errHash
}

// pbkdf2Rounds reads "29000", "i=29000" or "i=29000,l=32".
func pbkdf2Rounds(s string, plain bool, size int) (int, error) {
	if plain || !strings.Contains(s, "=") {
		return legacyNumber(s, 1, pbkdf2MaxRounds)
	}
	v, err := phcNumbers(s, "i")
	if err != nil {
		if v, err = phcNumbers(s, "i", "l"); err != nil {
			return 0, err
		}
		if l, err := legacyNumber(v["l"], legacyMinKey, legacyMaxKey); err != nil || l != size {
			return 0, errHash
		}
	}
	return legacyNumber(v["i"], 1, pbkdf2MaxRounds)
}
