package order

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	// workTimeout bounds one attempt of a delivery, and workClaim is for how long
	// nobody else tries it.
	workTimeout = 90 * time.Second
	workClaim   = 2 * time.Minute
	// workPoll is how often the outbox is looked into without being asked to: for what
	// another node queued, and for what has to be tried again.
	workPoll = 5 * time.Second
	// leastPause and longestPause bound the pause between two attempts.
	leastPause   = time.Second
	longestPause = time.Hour
	// slowCall is how long an attempt may fail before the payment's provider rests.
	slowCall    = 3 * time.Second
	longestRest = 10 * time.Minute
	// sharePerProvider is how many workers one provider may have.
	sharePerProvider = 4
)

// workers says how many deliveries of each kind are made at once, so that nobody who
// is slow holds up those of another kind.
func (s *Service) workers() map[store.DeliveryKind]int {
	return map[store.DeliveryKind]int{store.PaymentWork: 8, store.OrderWork: 8, store.OrderNews: 4}
}

// laterError says that a delivery is to be tried again at a time: there was nothing
// to do yet, or what failed needs no haste.
type laterError struct {
	at  time.Time
	err error // may be nil
}

func (e *laterError) Error() string { return fmt.Sprintf("again at %v: %v", e.at, e.err) }
func (e *laterError) Unwrap() error { return e.err }

// later is what a delivery's work returns to be done again at a time; err is logged
// unless it is nil.
func later(at time.Time, err error) error { return &laterError{at, err} }

// backOff is the pause after something has failed for a while: as long again, from
// a second to an hour.
func backOff(since time.Duration) time.Duration {
	return min(max(since, leastPause), longestPause)
}

// backOffAfter is the pause after that many attempts: a second, and twice as long
// each time, up to an hour.
func backOffAfter(attempts int) time.Duration {
	return backOff(leastPause << min(max(attempts-1, 0), 12))
}

// wake says that there may be a delivery of the kind. It never blocks.
func (s *Service) wake(kind store.DeliveryKind) {
	select {
	case s.wakes[kind] <- struct{}{}:
	default: // somebody is about to look
	}
}

// Run works on what is due until the context ends: payments whose payer never came
// back, orders to be handed over or closed, clients to be told. Any number of nodes
// may run it.
func (s *Service) Run(ctx context.Context) {
	var kinds sync.WaitGroup
	for kind, workers := range s.workers() {
		kinds.Go(func() { s.run(ctx, kind, workers) })
	}
	kinds.Wait()
}

func (s *Service) run(ctx context.Context, kind store.DeliveryKind, workers int) {
	slots := make(chan struct{}, workers)
	var under sync.WaitGroup
	defer under.Wait()
	for {
		for {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			now := time.Now()
			d, err := s.c.Store.ClaimDelivery(ctx, kind, now, now.Add(workClaim))
			if err != nil {
				<-slots
				if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
					s.c.Logger.WarnContext(ctx, "the outbox can not be read", "kind", kind, "err", err)
				}
				break
			}
			under.Go(func() {
				defer func() { <-slots }()
				s.deliver(ctx, d)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wakes[kind]:
		case <-time.After(workPoll):
		}
	}
}

// Work does what is due now, once over, and returns how much that was. The error is
// of an outbox that can not be read; what fails otherwise is logged and tried again.
func (s *Service) Work(ctx context.Context) (int, error) {
	now := time.Now()
	var done atomic.Int64
	var mu sync.Mutex
	var errs []error
	var kinds sync.WaitGroup
	for kind, workers := range s.workers() {
		for range workers {
			kinds.Go(func() {
				for {
					d, err := s.c.Store.ClaimDelivery(ctx, kind, now, time.Now().Add(workClaim))
					if errors.Is(err, store.ErrNotFound) {
						return
					}
					if err != nil {
						mu.Lock()
						defer mu.Unlock()
						errs = append(errs, fmt.Errorf("claim a delivery: %w", err))
						return
					}
					s.deliver(ctx, d)
					done.Add(1)
				}
			})
		}
	}
	kinds.Wait()
	return int(done.Load()), errors.Join(errs...)
}

// deliver makes one attempt.
func (s *Service) deliver(ctx context.Context, d store.Delivery) {
	work, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	var err error
	switch d.Kind {
	case store.PaymentWork:
		err = s.workPayment(work, d)
	case store.OrderWork:
		err = s.workOrder(work, d)
	case store.OrderNews:
		err = s.workNews(work, d)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), workTimeout)
	defer stop()
	if err == nil {
		if err := s.c.Store.FinishDelivery(ctx, d.Kind, d.ID); err != nil {
			s.c.Logger.WarnContext(ctx, "a delivery can not be finished", "kind", d.Kind, "delivery", d.ID, "err", err)
		}
		return
	}
	due := time.Now().Add(backOffAfter(d.Attempts))
	if wait, ok := errors.AsType[*laterError](err); ok {
		due, err = wait.at, wait.err
	}
	if err != nil {
		s.c.Logger.WarnContext(ctx, "a delivery failed", "kind", d.Kind, "delivery", d.ID, "attempt", d.Attempts, "again", due, "err", err)
	}
	err = s.c.Store.RetryDelivery(ctx, d.Kind, d.ID, d.Attempts, due)
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) { // else another decides
		s.c.Logger.WarnContext(ctx, "a delivery can not be put off", "kind", d.Kind, "delivery", d.ID, "err", err)
	}
}

// rests keeps work with one provider, or one publisher's system, from starving that
// with the others. With one at most sharePerProvider workers are busy at once. One that
// was slow to fail rests for a while, and then one attempt at a time is made.
type rests struct {
	mu        sync.Mutex
	providers map[string]*rest // by merchant and method, or by partner
}

type rest struct {
	busy     int // attempts under way
	failures int // slow ones in a row
	until    time.Time
}

// begin returns when to try again if the provider is not to be asked, and otherwise
// ok; then end is to be called.
func (r *rests) begin(key string) (until time.Time, ok bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.providers[key]
	if p == nil {
		if r.providers == nil {
			r.providers = map[string]*rest{}
		}
		p = &rest{}
		r.providers[key] = p
	}
	switch {
	case now.Before(p.until):
		return p.until, false
	case p.failures > 0 && p.busy > 0, p.busy >= sharePerProvider:
		return now.Add(leastPause), false
	}
	p.busy++
	return time.Time{}, true
}

// atDesk does work with the system of a partner, or returns when to try again: one
// that is slow to fail rests too.
func (s *Service) atDesk(partnerID string, work func() error) (until time.Time, err error) {
	desk := "desk " + partnerID
	if until, ok := s.rests.begin(desk); !ok {
		return until, nil
	}
	begun := time.Now()
	err = work()
	s.rests.end(desk, err != nil && time.Since(begun) >= slowCall)
	return time.Time{}, err
}

// end notes what came of an attempt.
func (r *rests) end(key string, slow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.providers[key]
	p.busy--
	if slow {
		p.failures++
		p.until = time.Now().Add(min(backOffAfter(p.failures), longestRest))
		return
	}
	p.failures, p.until = 0, time.Time{}
	if p.busy == 0 {
		delete(r.providers, key)
	}
}

// turns lets one at a time work on a payment at this node, so that a provider is not
// asked for the same by many at once. It is a courtesy: what keeps money right are
// the versions of records and the keys of calls.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

// take waits for the turn, but not for longer than a call of a provider takes.
func (t *turns) take(ctx context.Context, id string) (done func()) {
	mine := make(chan struct{})
	patience := time.NewTimer(callTimeout)
	defer patience.Stop()
	for {
		t.mu.Lock()
		other := t.busy[id]
		if other == nil {
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			t.busy[id] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, id)
				t.mu.Unlock()
				close(mine)
			}
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-patience.C:
			return func() {}
		case <-ctx.Done():
			return func() {}
		}
	}
}
