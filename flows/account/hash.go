package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// argon are the parameters of argon2id (RFC 9106). There is one lane: more
// would only move the work of one login to more processors.
type argon struct {
	memory uint32 // KiB
	passes uint32
}

const (
	argonSalt = 16
	argonKey  = 32
	// What a stored hash may ask for at most: a damaged or planted record must
	// not take all the memory.
	argonMaxMemory = 128 << 10
	argonMaxPasses = 16
)

// errHash says that a stored hash can not be read.
var errHash = errors.New("account: unreadable password hash")

// argon2id does the work, and counts it.
func (p *pool) argon2id(password string, salt []byte, a argon, lanes uint8, size int) []byte {
	p.hashed.Add(1)
	return argon2.IDKey([]byte(password), salt, a.passes, a.memory, lanes, uint32(size))
}

// newHash returns a new hash of the password in the PHC string format.
func (p *pool) newHash(a argon, password string) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key := p.argon2id(password, salt, a, 1, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, a.memory, a.passes,
		b64.EncodeToString(salt), b64.EncodeToString(key))
}

// isArgon reports whether the stored hash is one of argon2id.
func isArgon(hash string) bool { return strings.HasPrefix(hash, "$argon2id$") }

// verify reports whether the password is the hash's, and the parameters of the
// hash.
func (p *pool) verify(hash, password string) (bool, argon, error) {
	f := strings.Split(hash, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false, argon{}, errHash
	}
	var a argon
	var lanes uint8
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &a.memory, &a.passes, &lanes); err != nil || n != 3 {
		return false, argon{}, errHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(f[4])
	want, err2 := base64.RawStdEncoding.DecodeString(f[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(salt) > 64 || len(want) < 16 || len(want) > 64 ||
		a.memory < 8 || a.memory > argonMaxMemory || a.passes < 1 || a.passes > argonMaxPasses || lanes < 1 || lanes > 8 {
		return false, argon{}, errHash
	}
	got := p.argon2id(password, salt, a, lanes, len(want))
	if lanes != 1 || len(want) != argonKey {
		a = argon{} // not what hash would write: to be replaced
	}
	return subtle.ConstantTimeCompare(got, want) == 1, a, nil
}

// Verifier checks passwords against hashes of another system, for users that
// were imported with them. Implementations are safe for concurrent use.
type Verifier interface {
	// Handles reports whether the stored hash is of this kind.
	Handles(hash string) bool
	// Verify reports whether the password is the hash's. An error says that the
	// hash is damaged, or would take more work than is sensible.
	Verify(hash, password string) (bool, error)
}

// Bcrypt is a [Verifier] for $2a$, $2b$ and $2y$ hashes. bcrypt reads 72 bytes
// of a password and ignores the rest.
var Bcrypt Verifier = bcryptVerifier{}

// bcryptMaxCost bounds the work that a stored hash can ask for: about 2 seconds.
const bcryptMaxCost = 15

type bcryptVerifier struct{}

func (bcryptVerifier) Handles(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

func (bcryptVerifier) Verify(hash, password string) (bool, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > bcryptMaxCost {
		return false, errHash
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, errHash
	}
	return true, nil
}
