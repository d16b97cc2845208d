// Package memstore keeps everything in the memory of one process: for tests,
// for trying connectid out, and as the measure of what a store costs. Nothing
// survives a restart, and nothing is shared between processes.
//
// Memory is bounded by what is live. Expired records are dropped a few at a time
// as others are inserted, and by [Store.Sweep]; counters are bounded by
// [Config.MaxCounters].
package memstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var (
	_ store.Store   = (*Store)(nil)
	_ store.Sweeper = (*Store)(nil)

	_ store.ClientSharer = (*Store)(nil)
)

// errNoKey answers a record that no look-up could ever find.
var errNoKey = errors.New("memstore: record without a key")

// Config configures a [Store]. Its zero value is [New]'s.
type Config struct {
	// MaxCounters is about how many counters with a running window are kept
	// apart; default 1048576, which takes at most 64 MB. Beyond that, further keys
	// with the same window are counted together.
	MaxCounters int
}

// Store is an in-memory [store.Store]. Each role has a lock of its own, which no
// method holds for longer than a few look-ups, except that listing or revoking
// what belongs to one user takes it for as long as that user has records, and
// RevokeClientGrants for one walk over all grants, codes and tokens.
type Store struct {
	clients  clients
	users    users
	sessions sessions
	series   series
	codes    oneTimeCodes
	runs     runs
	grants   grants
	counters counters

	directories   directories
	customers     customers
	subscriptions subscriptions
	memberships   memberships
	tickets       tickets
	signingKeys   signingKeys
	consents      consents
	outbox        outbox
	products      products
	coupons       coupons
	vouchers      vouchers
	articles      articles
	accesses      accesses
	organisations organisations
	orders        orders
}

// New returns an empty store with the default configuration.
func New() *Store {
	s, err := NewWith(Config{})
	if err != nil {
		panic(err) // the zero Config has no fault
	}
	return s
}

// NewWith returns an empty store, or what is wrong with the configuration.
func NewWith(c Config) (*Store, error) {
	if c.MaxCounters < 0 {
		return nil, fmt.Errorf("memstore: bad MaxCounters %d: want 0 for the default or more", c.MaxCounters)
	}
	if c.MaxCounters == 0 {
		c.MaxCounters = 1 << 20
	}
	s := &Store{}
	s.clients.init()
	s.users.init()
	s.sessions.init()
	s.series.init()
	s.codes.init()
	s.runs.init()
	s.grants.init()
	s.counters.init(c.MaxCounters)
	s.directories.init()
	s.customers.init()
	s.subscriptions.init()
	s.memberships.init()
	s.tickets.init()
	s.signingKeys.init()
	s.consents.init()
	s.outbox.init()
	s.products.init()
	s.coupons.init()
	s.vouchers.init()
	s.articles.init()
	s.accesses.init()
	s.organisations.init()
	s.orders.init()
	return s, nil
}

// sweepBatch is how many records Sweep removes under one hold of a lock.
const sweepBatch = 256

// Sweep implements [store.Sweeper].
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	total := 0
	for _, sweep := range []func(time.Time, int) int{
		s.users.sweep, s.sessions.sweep, s.series.sweep, s.codes.sweep, s.runs.sweep, s.grants.sweep, s.counters.sweep,
		s.tickets.sweep, s.signingKeys.sweep, s.outbox.sweep, s.accesses.sweep,
	} {
		for total < limit {
			if err := ctx.Err(); err != nil {
				return total, err
			}
			batch := min(sweepBatch, limit-total)
			n := sweep(now, batch)
			total += n
			if n < batch {
				break
			}
		}
	}
	return total, ctx.Err()
}

// locked runs a sweep of one table under its lock.
func locked(mu sync.Locker, sweep func(time.Time, int) int, now time.Time, limit int) int {
	mu.Lock()
	defer mu.Unlock()
	return sweep(now, limit)
}

// list yields the records that snapshot returns, unless the context has ended
// before or ends on the way. No lock is held while the caller looks at one.
func list[R any](ctx context.Context, snapshot func() []R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var none R
		if err := ctx.Err(); err != nil {
			yield(none, err)
			return
		}
		for _, r := range snapshot() {
			if err := ctx.Err(); err != nil {
				yield(none, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// utc puts times into the form in which they are returned: UTC, and without
// the reading of the monotonic clock.
func utc(times ...*time.Time) {
	for _, t := range times {
		*t = t.UTC()
	}
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
