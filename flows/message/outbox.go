package message

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

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
	HTML    string    `json:"-"` // for people; not part of the form
	Kind    Kind      `json:"-"`
}

// kept is a line of the file.
type kept struct {
	ID string `json:"id"`
	OutboxEntry
	HTML string `json:"html,omitempty"`
	Kind Kind   `json:"kind,omitempty"`
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

// Outbox is a [Sender] for development: it keeps what it is given, for people
// and scripts to read. It never delivers anything. It is safe for concurrent use.
type Outbox struct {
	path  string
	limit int

	mu     sync.Mutex
	kept   []kept
	file   *os.File // nil without a path
	lines  int      // of the file
	closed bool
}

// NewOutbox opens an outbox. A last line that was cut short by a crash is
// dropped; any other damage is an error.
func NewOutbox(c OutboxConfig) (*Outbox, error) {
	if c.Limit < 0 {
		return nil, fmt.Errorf("message: bad outbox Limit %d: want 0 for the default or more", c.Limit)
	}
	o := &Outbox{path: c.Path, limit: cmp.Or(c.Limit, 1000)}
	if o.path == "" {
		return o, nil
	}
	data, err := os.ReadFile(o.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("message: open outbox: %w", err)
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	for line := range bytes.Lines(whole) {
		var k kept
		if err := json.Unmarshal(line, &k); err != nil {
			return nil, fmt.Errorf("message: outbox %s, line %d: %w", o.path, len(o.kept)+1, err)
		}
		o.kept = append(o.kept, k)
	}
	o.trim()
	if err := o.rewrite(); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Outbox) trim() {
	if n := len(o.kept) - o.limit; n > 0 {
		o.kept = slices.Delete(o.kept, 0, n)
	}
}

// rewrite replaces the file by one with what is kept, and opens it to append.
func (o *Outbox) rewrite() error {
	var b bytes.Buffer
	for _, k := range o.kept {
		if err := json.NewEncoder(&b).Encode(k); err != nil {
			return fmt.Errorf("message: write outbox: %w", err)
		}
	}
	next := o.path + ".new"
	if err := os.WriteFile(next, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("message: write outbox: %w", err)
	}
	if err := os.Rename(next, o.path); err != nil {
		return fmt.Errorf("message: write outbox: %w", err)
	}
	f, err := os.OpenFile(o.path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("message: open outbox: %w", err)
	}
	if o.file != nil {
		o.file.Close()
	}
	o.file, o.lines = f, len(o.kept)
	return nil
}

// Send keeps the message. One with the ID of a message that is kept already is
// the same message sent again: it is not kept twice.
func (o *Outbox) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errors.New("message: outbox is closed")
	}
	if m.ID != "" && slices.ContainsFunc(o.kept, func(k kept) bool { return k.ID == m.ID }) {
		return nil
	}
	k := kept{ID: m.ID, HTML: m.HTML, Kind: m.Kind, OutboxEntry: OutboxEntry{
		Time: time.Now().UTC().Truncate(time.Millisecond), Channel: m.Channel, To: m.To,
		Subject: m.Subject, Text: m.Text, Code: m.Code, Link: m.Link,
	}}
	if o.file != nil {
		if o.lines >= 2*o.limit {
			if err := o.rewrite(); err != nil {
				return err
			}
		}
		line, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("message: write outbox: %w", err)
		}
		if _, err := o.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("message: write outbox: %w", err)
		}
		o.lines++
	}
	o.kept = append(o.kept, k)
	o.trim()
	return nil
}

// List returns what is kept, oldest first; never nil.
func (o *Outbox) List() []OutboxEntry {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]OutboxEntry, len(o.kept))
	for i, k := range o.kept {
		out[i] = k.OutboxEntry
		out[i].HTML, out[i].Kind = k.HTML, k.Kind
	}
	return out
}

// Close closes the file; the outbox refuses messages from then on.
func (o *Outbox) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}
