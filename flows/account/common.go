package account

import (
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:embed common.txt
var commonFile string

// commonPasswords is the built-in block list, sorted.
var commonPasswords = sync.OnceValue(func() []string {
	lines := strings.Split(strings.TrimSpace(commonFile), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "# ") || l == "#" })
})

// folded is the form in which passwords are compared with the block list.
func folded(password string) string { return strings.ToLower(norm.NFC.String(password)) }

// The errors of a password that nobody may choose.
var (
	ErrPasswordShort  = errors.New("account: password too short")
	ErrPasswordLong   = errors.New("account: password too long")
	ErrPasswordCommon = errors.New("account: password too common")
)

// The least and greatest length of a new password, in code points after NFC
// (NIST SP 800-63B, section 3.1.1.2).
const (
	PasswordMin = 8
	PasswordMax = 256
)

// maxPasswordBytes bounds what is normalised and hashed at all: [PasswordMax]
// characters, each written as a letter with two marks of four bytes.
const maxPasswordBytes = 3 * 4 * PasswordMax

// CheckNewPassword returns [ErrPasswordShort], [ErrPasswordLong] or
// [ErrPasswordCommon] for a password that nobody may choose: one of the most
// common ones, one character or pair over and over, or one of those to avoid
// (the user's credentials and names, the client's name), without regard to
// case. There are no rules of composition.
func (s *Service) CheckNewPassword(password string, avoid ...string) error {
	if len(password) > maxPasswordBytes {
		return ErrPasswordLong
	}
	p := folded(password)
	switch n := utf8.RuneCountInString(norm.NFC.String(password)); {
	case n < PasswordMin:
		return ErrPasswordShort
	case n > PasswordMax:
		return ErrPasswordLong
	}
	if _, ok := slices.BinarySearch(commonPasswords(), p); ok {
		return ErrPasswordCommon
	}
	if _, ok := s.common[p]; ok {
		return ErrPasswordCommon
	}
	if fewCharacters(p) {
		return ErrPasswordCommon
	}
	if slices.ContainsFunc(avoid, func(a string) bool { return names(p, a) }) {
		return ErrPasswordCommon
	}
	return nil
}

// fewCharacters reports whether p is made of fewer than three different ones.
func fewCharacters(p string) bool {
	var a, b rune = -1, -1
	for _, r := range p {
		switch {
		case a == -1 || r == a:
			a = r
		case b == -1 || r == b:
			b = r
		default:
			return false
		}
	}
	return true
}

// names reports whether the folded password is the name or credential itself,
// the local part of an address, or a number with or without its prefix.
func names(p, avoid string) bool {
	p, avoid = strings.ReplaceAll(p, " ", ""), strings.ReplaceAll(folded(avoid), " ", "")
	if avoid == "" {
		return false
	}
	if local, _, ok := strings.Cut(avoid, "@"); ok && p == local {
		return true
	}
	if digits, ok := strings.CutPrefix(avoid, "+"); ok && len(p) >= PasswordMin && strings.HasSuffix(digits, p) {
		return true
	}
	return p == avoid
}
