package account

import (
	"crypto/md5"
	"strings"
)

// Phpass is a [Verifier] for the portable hashes of phpass, $P$ and $H$, as
// WordPress before 6.8 and phpBB 3 wrote them. A hash of more than 2^18 rounds
// is refused.
var Phpass Verifier = legacyVerifier{[]string{"$P$", "$H$"}, parsePhpass}

const (
	phpassDigits  = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	phpassLength  = 34 // prefix 3, rounds 1, salt 8, key 22
	phpassMinCost = 7  // of phpass itself
	phpassMaxCost = 18 // of 30: a second or so for the longest password
)

func parsePhpass(hash string) (legacy, error) {
	if len(hash) != phpassLength || strings.Trim(hash[3:], phpassDigits) != "" {
		return legacy{}, errHash
	}
	cost := strings.IndexByte(phpassDigits, hash[3])
	if cost < phpassMinCost || cost > phpassMaxCost {
		return legacy{}, errHash
	}
	salt, key := hash[4:12], hash[12:]
	return legacy{[]byte(key), func(password string) ([]byte, error) {
		sum := md5.Sum([]byte(salt + password))
		buf := append(sum[:], password...)
		for range 1 << cost {
			sum = md5.Sum(buf)
			copy(buf, sum[:])
		}
		return phpassEncode(sum), nil
	}}, nil
}

// phpassEncode writes the sum in the base 64 of crypt: six bits at a time, the
// lowest first.
func phpassEncode(sum [md5.Size]byte) []byte {
	out := make([]byte, 0, 22)
	for i := 0; i < len(sum); i += 3 {
		var v uint
		n := min(3, len(sum)-i)
		for j := range n {
			v |= uint(sum[i+j]) << (8 * j)
		}
		for range n + 1 { // 4 digits for 3 bytes, 2 for the last one
			out = append(out, phpassDigits[v&63])
			v >>= 6
		}
	}
	return out
}
