package account

import "github.com/connectid-kit/connectid/store"

// Credential is an e-mail address or phone number that somebody wrote.
type Credential struct {
	Kind     store.CredentialKind
	Identity string // by which it is compared: local@domain in lower case and ASCII, or E.164
	Spelling string // as it was written, trimmed
}

// ParseCredential reads an e-mail address, or a phone number in any spelling;
// numbers without a prefix are of the region (ISO 3166 alpha-2, default NO).
// The error is [ErrCredentialEmpty] or [ErrCredentialInvalid].
//
// Addresses keep dots and plus signs: who owns which spelling is the mail
// host's business. Local parts outside ASCII are refused, as look-alikes are
// two people.
func ParseCredential(raw, region string) (Credential, error) { panic("unwritten") }

// IsZero reports whether c is no credential.
func (c Credential) IsZero() bool { return c.Kind == "" }

// Reachable returns [ErrCredentialPremium] for a number to which no code can
// be sent: only mobiles get SMS. It asks no one.
func (c Credential) Reachable() error { panic("unwritten") }

// Masked returns the credential so that its owner recognises it and nobody
// else learns it: o•••@example.com, +47 ••• •• 345.
func (c Credential) Masked() string { panic("unwritten") }
