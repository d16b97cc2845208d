package message

import (
	"context"
	"time"
)

// Outbox is a [Sender] for development: it keeps what it is given, for people
// and scripts to read. It never delivers anything. It is safe for concurrent use.
type Outbox struct{}

// OutboxEntry is one message in an [Outbox], in the form in which the
// quickstart's /demo/outbox.json shows it.
type OutboxEntry struct {
	Time    time.Time `json:"time"`
	Channel Channel   `json:"channel"`
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Code    string    `json:"code"`
	Link    string    `json:"link"`
	HTML    string    `json:"html,omitempty"`
	Kind    Kind      `json:"kind,omitempty"`
}

// OutboxConfig configures an [Outbox]. The zero value keeps 1000 messages in memory.
type OutboxConfig struct {
	// Path names a file of JSON lines in which the messages outlive a restart;
	// it is made when it does not exist, readable by its owner only. Empty:
	// memory only.
	Path string
	// Limit is how many messages are kept, the oldest go first; default 1000.
	Limit int
}

// NewOutbox opens an outbox. A last line that was cut short by a crash is
// dropped; any other damage is an error.
func NewOutbox(c OutboxConfig) (*Outbox, error) { panic("unwritten") }

// Send keeps the message. One with the ID of a message that is kept already is
// the same message sent again: it is not kept twice.
func (o *Outbox) Send(ctx context.Context, m Message) error { panic("unwritten") }

// List returns what is kept, oldest first; never nil.
func (o *Outbox) List() []OutboxEntry { panic("unwritten") }

// Close closes the file; the outbox refuses messages from then on.
func (o *Outbox) Close() error { panic("unwritten") }
