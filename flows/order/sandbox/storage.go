package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Storage keeps the sandbox's payments, as one text, for one [Provider].
type Storage interface {
	// Load returns what was saved last; nil for nothing.
	Load(ctx context.Context) ([]byte, error)
	// Save keeps data in place of what was saved before: all of it, or after an
	// error none.
	Save(ctx context.Context, data []byte) error
}

// File is a [Storage] in a file of that name, which only its owner may read. The
// folder has to exist.
type File string

// Load implements [Storage].
func (f File) Load(context.Context) ([]byte, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Save implements [Storage]: it writes another file and gives it the name.
func (f File) Save(_ context.Context, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(string(f)), filepath.Base(string(f))+".*.tmp") // for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), string(f))
}

// book is what is saved.
type book struct {
	Key      []byte // of callbacks, forms and tokens
	Payments []*payment
}

const keySize = 32

func (p *Provider) load() error {
	p.key = make([]byte, keySize)
	rand.Read(p.key)
	if p.c.Storage == nil {
		return nil
	}
	data, err := p.c.Storage.Load(context.Background())
	if err != nil {
		return fmt.Errorf("load payments: %w", err)
	}
	if data == nil {
		return p.save() // a folder that can not be written to is found out here
	}
	var b book
	if err := json.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("load payments: %w", err)
	}
	if len(b.Key) != keySize {
		return fmt.Errorf("load payments: a key of %d bytes", len(b.Key))
	}
	p.key = b.Key
	for _, q := range b.Payments {
		if q == nil || q.Page == "" || q.ID == "" || q.Ref == "" || p.byID[q.ID] != nil {
			return errors.New("load payments: one without its names, or two of one name")
		}
		p.index(q)
	}
	return nil
}

// save writes what there is. The caller holds p.mu, or is alone.
func (p *Provider) save() error {
	if p.c.Storage == nil {
		return nil
	}
	data, err := json.Marshal(book{p.key, slices.SortedFunc(maps.Values(p.payments), func(a, b *payment) int { return a.CreatedAt.Compare(b.CreatedAt) })})
	if err == nil {
		// Half a save is worse than one that a caller did not wait for.
		err = p.c.Storage.Save(context.Background(), data)
	}
	if err != nil {
		return fmt.Errorf("sandbox: save payments: %w", err)
	}
	return nil
}

func (p *Provider) index(q *payment) {
	p.payments[q.Page], p.byID[q.ID], p.byRef[q.Ref], p.byKey[q.MerchantID+"\x00"+q.Key] = q, q, q, q
}

func (p *Provider) unindex(q *payment) {
	delete(p.payments, q.Page)
	delete(p.byID, q.ID)
	delete(p.byRef, q.Ref)
	delete(p.byKey, q.MerchantID+"\x00"+q.Key)
}

// makeRoom drops payments that have ended: those that are too old, and of too many
// those that ended first. It returns what it dropped.
func (p *Provider) makeRoom(now time.Time) ([]*payment, error) {
	var ended, drop []*payment
	for _, q := range p.payments {
		switch {
		case !q.ended():
		case now.Sub(q.ChangedAt) > p.c.Keep:
			drop = append(drop, q)
		default:
			ended = append(ended, q)
		}
	}
	if over := len(p.payments) - len(drop) - p.c.Max + 1; over > 0 {
		if over > len(ended) {
			return nil, fmt.Errorf("sandbox: %d payments are open, and no more are kept", len(p.payments))
		}
		slices.SortFunc(ended, func(a, b *payment) int { return a.ChangedAt.Compare(b.ChangedAt) })
		drop = append(drop, ended[:over]...)
	}
	for _, q := range drop {
		p.unindex(q)
	}
	return drop, nil
}
