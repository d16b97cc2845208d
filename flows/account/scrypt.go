package account

import (
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

// Scrypt is a [Verifier] for scrypt (RFC 7914) as passlib and other writers of
// the PHC string format have it, $scrypt$ln=16,r=8,p=1$salt$key, and as Django
// has it, scrypt$16384$salt$8$1$key. A hash that would take more than 128 MiB,
// or more than twice the work of N=2^17, r=8, is refused.
var Scrypt Verifier = legacyVerifier{[]string{"$scrypt$", "scrypt$"}, parseScrypt}

const (
	scryptMaxMemory = 128 << 20
	scryptMaxBlocks = 1 << 21 // N * r * p
)

func parseScrypt(hash string) (legacy, error) {
	var n, r, p, salt, key string
	var plain bool // the salt is text, not base64
	switch f := strings.Split(hash, "$"); {
	case len(f) == 5 && f[0] == "":
		v, err := phcNumbers(f[2], "ln", "r", "p")
		if err != nil {
			return legacy{}, err
		}
		n, r, p, salt, key = v["ln"], v["r"], v["p"], f[3], f[4]
	case len(f) == 6 && f[0] == "scrypt":
		n, salt, r, p, key, plain = f[1], f[2], f[3], f[4], f[5], true
	default:
		return legacy{}, errHash
	}
	cost, err1 := scryptCost(n, plain)
	block, err2 := legacyNumber(r, 1, 64)
	lanes, err3 := legacyNumber(p, 1, 64)
	want, err4 := legacyBytes(key, legacyMinKey, legacyMaxKey)
	rawSalt, err5 := legacySalt(salt, plain)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return legacy{}, err
		}
	}
	if 128*cost*block > scryptMaxMemory || cost*block*lanes > scryptMaxBlocks {
		return legacy{}, errHash
	}
	return legacy{want, func(password string) ([]byte, error) {
		return scrypt.Key([]byte(password), rawSalt, cost, block, lanes, len(want))
	}}, nil
}

// scryptCost returns N, which is written as it is or as its logarithm.
func scryptCost(s string, plain bool) (int, error) {
	if !plain {
		ln, err := legacyNumber(s, 1, 20)
		return 1 << ln, err
	}
	n, err := legacyNumber(s, 2, 1<<20)
	if err != nil || bits.OnesCount(uint(n)) != 1 {
		return 0, errHash
	}
	return n, nil
}

// legacySalt returns the bytes of a salt.
func legacySalt(s string, plain bool) ([]byte, error) {
	if !plain {
		return legacyBytes(s, 1, legacyMaxSalt)
	}
	if s == "" || len(s) > legacyMaxSalt {
		return nil, errHash
	}
	return []byte(s), nil
}
