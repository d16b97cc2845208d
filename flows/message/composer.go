package message

import (
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ComposerConfig configures a [Composer].
type ComposerConfig struct {
	// BaseURL is the public address of the login server, such as
	// https://login.example.com/user/. Its host is what codes in SMS are bound
	// to, so that a browser offers them on no other site. Required.
	BaseURL string
	// LogoURL returns the absolute URL of a client's logo for HTML mails, or ""
	// for none. Optional: without it mails show the client's name only.
	LogoURL func(clientID string) string
}

// Composer builds messages in the languages of the kit. It is safe for
// concurrent use.
type Composer struct {
	host    string
	logoURL func(string) string
}

// Letter is what a message says.
type Letter struct {
	Kind    Kind
	Channel Channel
	To      string
	Lang    string // nb, nn, sv, da, fi or en; anything else: the client's language
	Client  store.Client
	Code    string        // six digits; for the kinds that bring a code
	Valid   time.Duration // how long the code can be used
	Link    string        // an absolute URL of the login server; optional
}

// NewComposer returns a composer, or an error that names every fault of the
// configuration.
func NewComposer(c ComposerConfig) (*Composer, error) { panic("unwritten") }

// Compose writes the message with a new ID. It fails with an error matching
// [ErrUnsafe] when To is not one recipient of the channel.
func (c *Composer) Compose(l Letter) (Message, error) { panic("unwritten") }
