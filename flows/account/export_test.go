package account

// What tests from outside measure.
var (
	CommonPasswords = commonPasswords
	Folded          = folded
)

// NewCode draws a one-time code.
func NewCode() string { return newCode() }

// ParsesLegacy reports whether the verifier finds the hash sound, without doing
// its work; ok is false for a verifier that can not tell.
func ParsesLegacy(v Verifier, hash string) (sound, ok bool) {
	l, ok := v.(legacyVerifier)
	if !ok {
		return false, false
	}
	_, err := l.parse(hash)
	return err == nil && len(hash) <= legacyMaxHash && l.Handles(hash), true
}

// WithoutDummy makes the service skip the hash of nothing that an account
// without a password gets: a mutant that tests have to catch.
func (s *Service) WithoutDummy() { s.dummy = "" }
