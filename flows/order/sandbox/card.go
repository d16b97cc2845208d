package sandbox

import (
	"slices"
	"strings"
	"time"
)

// Outcome is what becomes of a payment with a test card.
type Outcome string

// The outcomes.
const (
	Approved          Outcome = "approved"
	Declined          Outcome = "declined"
	InsufficientFunds Outcome = "funds"
	// Challenge asks the payer to confirm at her bank (3-D Secure).
	Challenge Outcome = "challenge"
	// Slow sends the payer back at once, and is approved after [Config].Slow.
	Slow Outcome = "slow"
	// NeverReturns is approved, and the payer's browser is not sent back.
	NeverReturns Outcome = "stays"
	// NoAnswer is a bank that does not answer: the payment fails when its time is
	// over.
	NoAnswer Outcome = "timeout"
	// RenewalDeclined is approved, and what is charged later is declined.
	RenewalDeclined Outcome = "renewal"
)

// TestCard is a card of the sandbox. Its expiry is any month that is not over, its
// CVC any three digits.
type TestCard struct {
	Number  string // digits in groups
	Outcome Outcome
}

// The numbers are those that payment services commonly print for tests.
var cards = []TestCard{
	{"4111 1111 1111 1111", Approved},
	{"4000 0000 0000 0002", Declined},
	{"4000 0000 0000 9995", InsufficientFunds},
	{"4000 0000 0000 3220", Challenge},
	{"4000 0000 0000 0077", Slow},
	{"4000 0000 0000 5126", NeverReturns},
	{"4000 0000 0000 0119", NoAnswer},
	{"4000 0000 0000 0341", RenewalDeclined},
}

// Cards returns the test cards.
func Cards() []TestCard { return slices.Clone(cards) }

// Card is what a payer types. It is neither kept nor logged.
type Card struct{ Number, Expiry, CVC string }

// CardFault is what is wrong with a field of a [Card].
type CardFault string

// What can be wrong.
const (
	NoFault       CardFault = ""
	Missing       CardFault = "missing"
	Misspelt      CardFault = "misspelt"      // no such number can be
	NoTestCard    CardFault = "noTestCard"    // it may be somebody's real card
	Expired       CardFault = "expired"       // the card's time is over
	Misunderstood CardFault = "misunderstood" // not of the right form
)

// CardError says what is wrong with a card, by field.
type CardError struct{ Number, Expiry, CVC CardFault }

// Error implements error.
func (e *CardError) Error() string { return "sandbox: not a test card as it is typed" }

// read returns the outcome of the card, or a *CardError.
func (c Card) read(now time.Time) (Outcome, error) {
	var fault CardError
	number := digits(c.Number)
	outcome := Outcome("")
	for _, t := range cards {
		if number == strings.ReplaceAll(t.Number, " ", "") {
			outcome = t.Outcome
		}
	}
	switch {
	case strings.TrimSpace(c.Number) == "":
		fault.Number = Missing
	case !luhn(number):
		fault.Number = Misspelt
	case outcome == "":
		fault.Number = NoTestCard
	}
	if strings.TrimSpace(c.Expiry) == "" {
		fault.Expiry = Missing
	} else if year, month, ok := expiry(c.Expiry); !ok {
		fault.Expiry = Misunderstood
	} else if !now.Before(time.Date(year, month+1, 1, 12, 0, 0, 0, time.UTC)) { // until its last day is over everywhere
		fault.Expiry = Expired
	}
	if cvc := strings.TrimSpace(c.CVC); cvc == "" {
		fault.CVC = Missing
	} else if len(cvc) != 3 || digits(cvc) != cvc {
		fault.CVC = Misunderstood
	}
	if fault != (CardError{}) {
		return "", &fault
	}
	return outcome, nil
}

// digits returns what is typed without what people put between groups; "" when there
// is something else in it.
func digits(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			b.WriteRune(c)
		case c == ' ' || c == '-' || c == '\t' || c == '\u00a0' || c == '\u202f':
		default:
			return ""
		}
	}
	return b.String()
}

// luhn reports whether a number of a card's length has the right check digit
// (ISO/IEC 7812-1, annex B).
func luhn(number string) bool {
	if len(number) < 12 || len(number) > 19 {
		return false
	}
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// expiry reads MM/YY, as people type it: with or without a sign between, and with a
// year of two or four digits.
func expiry(s string) (year int, month time.Month, ok bool) {
	s = strings.TrimSpace(s)
	first, second, parted := strings.Cut(strings.NewReplacer(" ", "", ".", "/", "-", "/").Replace(s), "/")
	if !parted && len(first) > 2 {
		if len(first)%2 == 1 {
			return 0, 0, false
		}
		first, second = first[:2], first[2:]
	}
	number := func(s string) int {
		n := 0
		for _, c := range s {
			if c < '0' || c > '9' {
				return -1
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	if len(first) < 1 || len(first) > 2 || len(second) != 2 && len(second) != 4 {
		return 0, 0, false
	}
	m, y := number(first), number(second)
	if len(second) == 2 && y >= 0 {
		y += 2000
	}
	if m < 1 || m > 12 || y < 2000 {
		return 0, 0, false
	}
	return y, time.Month(m), true
}
