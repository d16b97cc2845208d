package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const (
	saysPutDelivery = "PutDelivery inserts the delivery with no Attempts, or returns ErrConflict when its ID is taken within its kind."
	saysClaim       = "ClaimDelivery returns the live delivery of the kind that has been due for the longest at the given time, and ErrNotFound when none is."
	saysClaimed     = "In the same step it counts the attempt and sets DueAt to until, so that nobody else gets it before: of many concurrent callers no two get the same."
	saysRetry       = "RetryDelivery sets DueAt of a delivery that was claimed if its Attempts are those given: whoever claimed it meanwhile decides. ErrConflict when they differ, ErrNotFound when there is none."
)

// claimed returns d as it is after the n-th claim.
func claimed(d store.Delivery, n int, until time.Time) store.Delivery {
	d.Attempts, d.DueAt = n, until
	return d
}

// due returns a fresh delivery of the kind that is due at the time.
func due(kind store.DeliveryKind, at time.Time) store.Delivery {
	d := fresh[store.Delivery]()
	d.Kind, d.DueAt = kind, at
	return d
}

const ofLogout = store.BackchannelLogout

var outboxRules = []rule[store.Outbox]{
	{"every field comes back", saysTimes + " " + saysPutDelivery + " The delivery is returned as it is stored then.", func(c *recorder, s store.Outbox) {
		until := future().Add(48 * time.Hour)
		for name, d := range variants[store.Delivery]("Kind", "ID", "ExpiresAt") {
			c.ok(s.PutDelivery(c.ctx, d), "PutDelivery, "+name)
			returns(c, "ClaimDelivery, "+name, claimed(d, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, d.DueAt, until))
			returns(c, "ClaimDelivery once more, "+name, claimed(d, 2, until))(s.ClaimDelivery(c.ctx, d.Kind, until, until))
		}
	}},
	{"a delivery without a key is refused", saysKey, func(c *recorder, s store.Outbox) {
		noID, noKind := due(ofLogout, past()), due("", past())
		noID.ID = ""
		for name, d := range map[string]store.Delivery{"ID": noID, "Kind": noKind} {
			if s.PutDelivery(c.ctx, d) == nil {
				c.errorf("PutDelivery took a delivery without a %s", name)
			}
			fails[store.Delivery](c, "ClaimDelivery of one without a "+name, store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, future(), future()))
		}
	}},
	{"a taken ID conflicts", saysPutDelivery, func(c *recorder, s store.Outbox) {
		d, o := due(ofLogout, past()), due(ofLogout, past().Add(-time.Hour))
		o.ID = d.ID
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		c.is(s.PutDelivery(c.ctx, o), store.ErrConflict, "PutDelivery with a taken ID")
		c.is(s.PutDelivery(c.ctx, d), store.ErrConflict, "PutDelivery of the same")
		until := future()
		returns(c, "ClaimDelivery after a conflict", claimed(d, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
		c.is(s.PutDelivery(c.ctx, o), store.ErrConflict, "PutDelivery with the ID of one that is claimed")
		fails[store.Delivery](c, "ClaimDelivery after a conflict", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
		c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery")
		c.ok(s.PutDelivery(c.ctx, o), "PutDelivery with the ID of one that is made")
		returns(c, "ClaimDelivery", claimed(o, 1, until))(s.ClaimDelivery(c.ctx, o.Kind, time.Now(), until))
	}},
	{"one of many puts a delivery", saysPutDelivery + " " + saysConcurrent, func(c *recorder, s store.Outbox) {
		c.rounds(func(int) {
			d := due(ofLogout, past())
			winner := c.oneWins("PutDelivery", store.ErrConflict, func(i int) error {
				o := d
				o.Data = fmt.Append(nil, i)
				return s.PutDelivery(c.ctx, o)
			})
			d.Data = fmt.Append(nil, winner)
			until := future()
			returns(c, "ClaimDelivery", claimed(d, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
		})
	}},
	{"kinds do not meet", "Deliveries of different kinds do not meet.", func(c *recorder, s store.Outbox) {
		kinds := []store.DeliveryKind{ofLogout, "order", "Order", "order ", "%"}
		var all []store.Delivery
		for i, kind := range kinds {
			d := due(kind, past().Add(-time.Duration(i)*time.Hour))
			d.ID = "the same"
			fails[store.Delivery](c, fmt.Sprintf("ClaimDelivery of the kind %q", kind), store.ErrNotFound)(s.ClaimDelivery(c.ctx, kind, time.Now(), future()))
			c.is(s.RetryDelivery(c.ctx, kind, "the same", 0, future()), store.ErrNotFound, fmt.Sprintf("RetryDelivery of the kind %q", kind))
			c.ok(s.FinishDelivery(c.ctx, kind, "the same"), "FinishDelivery of none")
			c.ok(s.PutDelivery(c.ctx, d), fmt.Sprintf("PutDelivery of the kind %q", kind))
			all = append(all, d)
		}
		until := future()
		for i, d := range all {
			returns(c, fmt.Sprintf("ClaimDelivery of the kind %q", d.Kind), claimed(d, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
			if i%2 == 0 {
				c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery")
			}
		}
	}},
	{"the longest due is claimed first", saysClaim, func(c *recorder, s store.Outbox) {
		fails[store.Delivery](c, "ClaimDelivery of an empty store", store.ErrNotFound)(s.ClaimDelivery(c.ctx, ofLogout, time.Now(), future()))
		at := future() // not the clock's time, but the given one counts
		byAge := make([]store.Delivery, 5)
		for _, place := range []int{3, 2, 0, 4, 1} {
			byAge[place] = due(ofLogout, at.Add(time.Duration(place)*time.Minute))
			c.ok(s.PutDelivery(c.ctx, byAge[place]), "PutDelivery")
		}
		claim := func(now time.Time) (store.Delivery, error) {
			return s.ClaimDelivery(c.ctx, ofLogout, now, at.Add(10*time.Hour))
		}
		fails[store.Delivery](c, "ClaimDelivery before any is due", store.ErrNotFound)(claim(at.Add(-time.Second)))
		for i, d := range byAge[:3] {
			returns(c, fmt.Sprintf("ClaimDelivery, the %d. oldest", i+1), claimed(d, 1, at.Add(10*time.Hour)))(claim(at.Add(2 * time.Minute)))
		}
		fails[store.Delivery](c, "ClaimDelivery before the next is due", store.ErrNotFound)(claim(at.Add(3*time.Minute - time.Second)))
		returns(c, "ClaimDelivery at the very time", claimed(byAge[3], 1, at.Add(10*time.Hour)))(claim(at.Add(3 * time.Minute)))
		returns(c, "ClaimDelivery", claimed(byAge[4], 1, at.Add(10*time.Hour)))(claim(at.Add(time.Hour)))
		fails[store.Delivery](c, "ClaimDelivery when all are claimed", store.ErrNotFound)(claim(at.Add(time.Hour)))
	}},
	{"a claim lapses", saysClaimed, func(c *recorder, s store.Outbox) {
		d := due(ofLogout, past())
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		at := time.Now().Truncate(time.Millisecond)
		for n := range 5 {
			until := at.Add(time.Minute)
			returns(c, fmt.Sprintf("ClaimDelivery, attempt %d", n+1), claimed(d, n+1, until))(s.ClaimDelivery(c.ctx, d.Kind, at, until))
			fails[store.Delivery](c, "ClaimDelivery at once", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, at, until))
			fails[store.Delivery](c, "ClaimDelivery a moment before", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, until.Add(-time.Millisecond), until))
			at = until
		}
	}},
	{"no two get the same", saysClaimed, func(c *recorder, s store.Outbox) {
		c.someRounds(func() {
			const n = racers / 2
			kind := fresh[store.Delivery]().Kind
			want := map[string]store.Delivery{}
			var puts sync.WaitGroup
			for i := range n {
				d := due(kind, past().Add(-time.Duration(i%3)*time.Minute))
				want[d.ID] = d
				puts.Go(func() { c.noError(s.PutDelivery(c.ctx, d), "PutDelivery") })
			}
			puts.Wait()
			var (
				mu  sync.Mutex
				got = map[string]int{}
			)
			at, until := time.Now(), future()
			race(func(int) error {
				d, err := s.ClaimDelivery(c.ctx, kind, at, until)
				switch {
				case err == nil:
					mu.Lock()
					got[d.ID]++
					mu.Unlock()
					c.same(d, claimed(want[d.ID], 1, until), "ClaimDelivery")
				case !errors.Is(err, store.ErrNotFound):
					c.errorf("ClaimDelivery: %v", err)
				}
				return nil
			})
			if len(got) != n {
				c.errorf("%d callers got %d of %d deliveries", racers, len(got), n)
			}
			for id, times := range got {
				if times != 1 {
					c.errorf("%s was handed out %d times", id, times)
				}
			}
		})
	}},
	{"one of many claims the only one", saysClaimed, func(c *recorder, s store.Outbox) {
		d := due(ofLogout, past())
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		at := time.Now().Truncate(time.Millisecond)
		c.rounds(func(round int) {
			until := at.Add(time.Second)
			c.oneWins("ClaimDelivery", store.ErrNotFound, func(int) error {
				got, err := s.ClaimDelivery(c.ctx, d.Kind, at, until)
				if err == nil {
					c.same(got, claimed(d, round+1, until), "ClaimDelivery")
				}
				return err
			})
			at = until
		})
	}},
	{"a retry is of the last claim", saysRetry, func(c *recorder, s store.Outbox) {
		d := due(ofLogout, past())
		c.is(s.RetryDelivery(c.ctx, d.Kind, d.ID, 0, future()), store.ErrNotFound, "RetryDelivery of an unknown one")
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		at := time.Now().Truncate(time.Millisecond)
		until := at.Add(time.Minute)
		claim := func(n int, now, dueAt time.Time, what string) {
			returns(c, what, claimed(d, n, dueAt))(s.ClaimDelivery(c.ctx, d.Kind, now, dueAt))
		}
		claim(1, at, until, "ClaimDelivery")
		for _, attempts := range []int{-1, 0, 2} {
			c.is(s.RetryDelivery(c.ctx, d.Kind, d.ID, attempts, past()), store.ErrConflict, fmt.Sprintf("RetryDelivery of attempt %d", attempts))
		}
		fails[store.Delivery](c, "ClaimDelivery after retries that conflict", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, at, until))
		c.ok(s.RetryDelivery(c.ctx, d.Kind, d.ID, 1, until.Add(time.Hour)), "RetryDelivery, later")
		fails[store.Delivery](c, "ClaimDelivery of one that was put off", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, until.Add(time.Hour-time.Second), until))
		c.ok(s.RetryDelivery(c.ctx, d.Kind, d.ID, 1, at), "RetryDelivery, at once")
		claim(2, at, until, "ClaimDelivery of one that is due at once")
		c.is(s.RetryDelivery(c.ctx, d.Kind, d.ID, 1, past()), store.ErrConflict, "RetryDelivery of an attempt that another has followed")
		fails[store.Delivery](c, "ClaimDelivery after a late retry", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, at, until))
		c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery")
		c.is(s.RetryDelivery(c.ctx, d.Kind, d.ID, 2, past()), store.ErrNotFound, "RetryDelivery of one that is made")
	}},
	{"whoever claimed meanwhile decides", saysRetry, func(c *recorder, s store.Outbox) {
		c.someRounds(func() {
			d := due(ofLogout, past())
			c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
			at := time.Now().Truncate(time.Millisecond)
			_, err := s.ClaimDelivery(c.ctx, d.Kind, at, at)
			c.ok(err, "ClaimDelivery")
			until := at.Add(time.Hour)
			var second bool
			race(func(i int) error {
				if i == racers/2 {
					_, err := s.ClaimDelivery(c.ctx, d.Kind, at, until)
					second = err == nil
					return nil
				}
				if err := s.RetryDelivery(c.ctx, d.Kind, d.ID, 1, at); err != nil && !errors.Is(err, store.ErrConflict) {
					c.errorf("RetryDelivery: %v", err)
				}
				return nil
			})
			if !second {
				c.errorf("a delivery that was due all the time could not be claimed")
			}
			// No late retry of the first attempt made it due again.
			fails[store.Delivery](c, "ClaimDelivery of one that is claimed", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, until.Add(-time.Second), until))
			c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery")
		})
	}},
	{"a delivery that is made is gone", "FinishDelivery removes the delivery; no error when there is none.", func(c *recorder, s store.Outbox) {
		d, other := due(ofLogout, past().Add(-time.Minute)), due(ofLogout, past())
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		c.ok(s.PutDelivery(c.ctx, other), "PutDelivery")
		for _, id := range []string{"", "unknown", d.ID + " ", "%"} {
			c.ok(s.FinishDelivery(c.ctx, d.Kind, id), fmt.Sprintf("FinishDelivery(%q)", id))
		}
		c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery of one that nobody has claimed")
		c.ok(s.FinishDelivery(c.ctx, d.Kind, d.ID), "FinishDelivery once more")
		until := time.Now()
		returns(c, "ClaimDelivery", claimed(other, 1, until.Truncate(time.Millisecond)))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until.Truncate(time.Millisecond)))
		c.ok(s.FinishDelivery(c.ctx, other.Kind, other.ID), "FinishDelivery of one that is claimed")
		fails[store.Delivery](c, "ClaimDelivery when all are made", store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, future(), until))
	}},
	{"an expired delivery is absent", saysExpiry, func(c *recorder, s store.Outbox) {
		for name, at := range expiries() {
			d := due(ofLogout, past().Add(-time.Hour))
			d.ExpiresAt = at
			c.ok(s.PutDelivery(c.ctx, d), "PutDelivery of one that expired "+name)
			fails[store.Delivery](c, "ClaimDelivery of one that expired "+name, store.ErrNotFound)(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), future()))
			c.is(s.RetryDelivery(c.ctx, d.Kind, d.ID, 0, future()), store.ErrNotFound, "RetryDelivery of one that expired "+name)
			c.ok(s.PutDelivery(c.ctx, d), "PutDelivery of one that expired "+name+", again")
			behind := due(ofLogout, past())
			c.ok(s.PutDelivery(c.ctx, behind), "PutDelivery")
			until := future()
			returns(c, "ClaimDelivery behind one that expired "+name, claimed(behind, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
			live := due(ofLogout, past())
			live.ID = d.ID
			c.ok(s.PutDelivery(c.ctx, live), "PutDelivery with the ID of one that expired "+name)
			returns(c, "ClaimDelivery", claimed(live, 1, until))(s.ClaimDelivery(c.ctx, d.Kind, time.Now(), until))
		}
		soon := due(ofLogout, past())
		soon.ExpiresAt = time.Now().Add(30 * time.Second).Truncate(time.Millisecond)
		c.ok(s.PutDelivery(c.ctx, soon), "PutDelivery")
		until := future()
		returns(c, "ClaimDelivery with half a minute to go", claimed(soon, 1, until))(s.ClaimDelivery(c.ctx, soon.Kind, time.Now(), until))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Outbox) {
		d := due(ofLogout, past())
		want := d
		want.Data = bytes.Clone(d.Data)
		c.ok(s.PutDelivery(c.ctx, d), "PutDelivery")
		spoil(d.Data)
		at := past()
		for n := range 2 {
			got, err := s.ClaimDelivery(c.ctx, d.Kind, at, at)
			returns(c, "ClaimDelivery after data was changed", claimed(want, n+1, at))(got, err)
			spoil(got.Data)
		}
	}},
	endedContexts[store.Outbox](),
	hammered[store.Outbox](),
}
