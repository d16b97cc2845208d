package account

// What tests from outside measure.
var (
	CommonPasswords = commonPasswords
	Folded          = folded
)

// NewCode draws a one-time code.
func NewCode() string { return newCode() }
