package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// ok ends the case when err is not nil.
func (c *recorder) ok(err error, what string) {
	if err != nil {
		c.fatalf("%s: %v, want no error", what, err)
	}
}

// is complains when err does not match want.
func (c *recorder) is(err, want error, what string) {
	if !errors.Is(err, want) {
		c.errorf("%s: error %v, want %v", what, err, want)
	}
}

// same complains about every field in which got differs from want.
func (c *recorder) same(got, want any, what string) {
	for _, d := range diff(reflect.TypeOf(want).Name(), reflect.ValueOf(got), reflect.ValueOf(want)) {
		c.errorf("%s: %s", what, d)
	}
}

// returns complains when a call did not return want and no error.
func returns[R any](c *recorder, what string, want R) func(R, error) {
	return func(got R, err error) {
		if err != nil {
			c.errorf("%s: %v, want no error", what, err)
			return
		}
		c.same(got, want, what)
	}
}

// fails complains when a call did not fail with want, or returned a record with it.
func fails[R any](c *recorder, what string, want error) func(R, error) {
	return func(got R, err error) {
		c.is(err, want, what)
		if !reflect.ValueOf(got).IsZero() {
			c.errorf("%s: returned a record along with %v", what, err)
		}
	}
}

// lists complains when the sequence has other records, or in another order.
func lists[R any](c *recorder, what string, seq iter.Seq2[R, error], want ...R) {
	got, err := collect(seq)
	if err != nil {
		c.errorf("%s: %v, want no error", what, err)
		return
	}
	if len(got) != len(want) {
		c.errorf("%s: %d records, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		c.same(got[i], want[i], fmt.Sprintf("%s, record %d", what, i))
	}
}

func collect[R any](seq iter.Seq2[R, error]) ([]R, error) {
	var all []R
	for r, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

// racers is how many callers meet in a race.
const racers = 64

// race calls f with 0…racers-1 at the same time, and returns the errors.
func race(f func(i int) error) [racers]error {
	var (
		errs  [racers]error
		wg    sync.WaitGroup
		start = make(chan struct{})
	)
	for i := range racers {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWins races f and complains unless exactly one caller gets a nil error and
// the others lose. It returns the winner, or -1.
func (c *recorder) oneWins(what string, lose error, f func(i int) error) int {
	winner, wins := -1, 0
	for i, err := range race(f) {
		switch {
		case err == nil:
			winner = i
			wins++
		case !errors.Is(err, lose):
			c.errorf("%s: a loser got %v, want %v", what, err, lose)
		}
	}
	if wins != 1 {
		c.errorf("%s: %d of %d callers succeeded, want exactly one", what, wins, racers)
	}
	return winner
}

// rounds calls f once per round until the case has failed.
func (c *recorder) rounds(f func(round int)) {
	for i := range Rounds() {
		if f(i); c.failed() {
			return
		}
	}
}

// someRounds is rounds for races whose single round is long: a quarter as many.
func (c *recorder) someRounds(f func()) {
	for range Rounds()/4 + 1 {
		if f(); c.failed() {
			return
		}
	}
}

// past and future are times that expiry can be tested with, without waiting: a
// backend's own time-to-live may lag by a minute.
func past() time.Time   { return time.Now().Add(-2 * time.Minute).Truncate(time.Millisecond) }
func future() time.Time { return time.Now().Add(time.Hour).Truncate(time.Millisecond) }

// expiries are those for which a record is absent.
func expiries() map[string]time.Time {
	return map[string]time.Time{"long ago": past().AddDate(-1, 0, 0), "two minutes ago": past(), "at the zero time": {}}
}

// sentinels are the errors with which a store answers; all others are faults.
var sentinels = []error{store.ErrNotFound, store.ErrConflict, store.ErrUsed, store.ErrMismatch, store.ErrRevoked}

func isSentinel(err error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// ended returns contexts that have ended, with the error that each must give.
func ended(parent context.Context) (map[error]context.Context, func()) {
	cancelled, cancel := context.WithCancel(parent)
	cancel()
	expired, stop := context.WithDeadline(parent, time.Now().Add(-time.Second))
	return map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: expired}, stop
}
