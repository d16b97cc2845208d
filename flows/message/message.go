// Package message builds the mails and SMS of connectid and hands them to a
// [Sender]: the contract of whoever delivers them.
package message

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Channel is a way to reach a user.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
)

// Kind says what a message is about.
type Kind string

// The kinds of message.
const (
	LoginCode       Kind = "loginCode"       // the one-time code of a login
	RegisterCode    Kind = "registerCode"    // the one-time code of a new account
	ResetCode       Kind = "resetCode"       // the one-time code of a new password
	ConfirmCode     Kind = "confirmCode"     // the one-time code of a user who proves again who she is
	Blocked         Kind = "blocked"         // sent in place of a code to a blocked account
	PasswordChanged Kind = "passwordChanged" // to the other credentials of the user
	CustomerService Kind = "customerService" // to the client's customer care, about a reader

	MergeCode         Kind = "mergeCode"         // the one-time code that connects a credential to an account
	CredentialAdded   Kind = "credentialAdded"   // to the other credentials of the user
	AccountsMerged    Kind = "accountsMerged"    // to all credentials of both accounts
	AccountsSeparated Kind = "accountsSeparated" // to all credentials of both accounts
	CareMerge         Kind = "careMerge"         // to customer care: two accounts of one reader
	// CredentialRemoved goes to all credentials of the user, the removed one too.
	CredentialRemoved Kind = "credentialRemoved"
	AccountDeleted    Kind = "accountDeleted" // to all credentials of the account
	OrderLink         Kind = "orderLink"      // brings a link that logs in and leads to an order
)

// Message is one mail or SMS, ready to send. It is written for one recipient.
type Message struct {
	// ID is unique to the message and the same when it is sent again: the
	// idempotency key for providers that have such a thing.
	ID       string
	Channel  Channel
	Kind     Kind
	To       string // a mail address with an ASCII domain, or a number in E.164
	Subject  string // of a mail; empty for SMS
	Text     string
	HTML     string // of a mail; empty for SMS
	Lang     string
	ClientID string // on whose behalf

	// Code and Link are what stands in the text, for an outbox in development.
	// They are secrets: a sender does not log them.
	Code string
	Link string
}

// ErrUnsafe says that a message can not be sent as it is: a recipient or
// subject that could become another header or recipient.
var ErrUnsafe = errors.New("message: unsafe")

// Check returns an error matching [ErrUnsafe] unless the message can be put
// into headers as it is: one recipient of the channel's form, and no control
// character in any of the short fields. What [Composer] returns has passed it;
// a [Router] and an [Outbox] check again.
func (m Message) Check() error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"ID", m.ID}, {"To", m.To}, {"Subject", m.Subject}, {"Lang", m.Lang}, {"ClientID", m.ClientID},
		{"Code", m.Code}, {"Link", m.Link}, {"Kind", string(m.Kind)},
	} {
		if !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, breaksLine) {
			errs = append(errs, fmt.Errorf("%w: control character in %s", ErrUnsafe, f.name))
		}
	}
	switch m.Channel {
	case Email:
		if !isAddress(m.To) {
			errs = append(errs, fmt.Errorf("%w: To is not one mail address", ErrUnsafe))
		}
	case SMS:
		if !isNumber(m.To) {
			errs = append(errs, fmt.Errorf("%w: To is not one number in E.164", ErrUnsafe))
		}
		if m.Subject != "" || m.HTML != "" {
			errs = append(errs, fmt.Errorf("%w: an SMS has text only", ErrUnsafe))
		}
	default:
		errs = append(errs, fmt.Errorf("%w: channel %q", ErrUnsafe, m.Channel))
	}
	return errors.Join(errs...)
}

// breaksLine reports whether r is a control character, a separator of lines or
// paragraphs, or a mark that turns the direction of the text around it.
func breaksLine(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// isAddress reports whether s is one plain addr-spec of RFC 5321: nothing that
// a mail program would read as a name, a list or a route.
func isAddress(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || len(s) > 254 {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return false
		}
	}
	return !strings.Contains(domain, "@")
}

// isNumber reports whether s is + and 7 to 15 digits.
func isNumber(s string) bool {
	digits, ok := strings.CutPrefix(s, "+")
	return ok && len(digits) >= 7 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// Sender delivers messages. Implementations are safe for concurrent use.
type Sender interface {
	// Send hands the message over for delivery and returns nil when somebody
	// else has taken responsibility for it. It obeys the context. An error says
	// that nothing was sent as far as is known; the caller may try the same
	// message, with the same ID, again. Send does not wait for the mailbox: who
	// exists there must not show in its time or its error.
	Send(ctx context.Context, m Message) error
}

// SenderFunc is a function as a [Sender].
type SenderFunc func(ctx context.Context, m Message) error

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, m Message) error { return f(ctx, m) }

// ErrNoRoute says that no sender is known for the message's channel.
var ErrNoRoute = errors.New("message: no sender for this channel")

// Router sends each message by the sender of its channel. The zero value has
// no routes: every message is refused with [ErrNoRoute].
type Router map[Channel]Sender

// Send checks the message and gives it to the sender of its channel.
func (r Router) Send(ctx context.Context, m Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	s, ok := r[m.Channel]
	if !ok || s == nil {
		return fmt.Errorf("%w: %s", ErrNoRoute, m.Channel)
	}
	return s.Send(ctx, m)
}
