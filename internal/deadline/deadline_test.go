package deadline_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/internal/deadline"
)

type ctxKey struct{}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "v"))
		defer cancel()
		for name, touch := range map[string]func(context.Context){
			"nobody waits":  func(context.Context) {},
			"somebody does": func(ctx context.Context) { ctx.Done() },
		} {
			d := deadline.New(parent, time.Now(), time.Second)
			touch(d)
			if at, ok := d.Deadline(); !ok || time.Until(at) != time.Second || d.Err() != nil || d.Value(ctxKey{}) != "v" {
				t.Errorf("%s: got %v %t, %v", name, at, ok, d.Err())
			}
			child, stop := context.WithTimeout(d, time.Hour)
			time.Sleep(time.Second)
			synctest.Wait()
			if err := d.Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
				t.Errorf("%s: after it: %v, child %v", name, err, child.Err())
			}
			stop()
			d.Stop()
		}

		d := deadline.New(parent, time.Now(), time.Second)
		d.Done()
		d.Stop()
		if !errors.Is(d.Err(), context.Canceled) {
			t.Errorf("stopped: %v", d.Err())
		}

		d = deadline.New(parent, time.Now(), time.Second)
		time.Sleep(time.Second)
		if err := d.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("asked without waiting: %v", err)
		}

		short, cancelShort := context.WithTimeout(parent, time.Millisecond)
		defer cancelShort()
		if at, _ := deadline.New(short, time.Now(), time.Second).Deadline(); time.Until(at) != time.Millisecond {
			t.Errorf("the parent's deadline is earlier: got %v", at)
		}

		d = deadline.New(parent, time.Now(), time.Second)
		cancel()
		if !errors.Is(d.Err(), context.Canceled) {
			t.Errorf("parent cancelled: %v", d.Err())
		}
	})
}

// All who begin to wait at once wait for the same timer, which Stop ends.
func TestManyWait(t *testing.T) {
	d := deadline.New(t.Context(), time.Now(), time.Hour)
	channels := make([]<-chan struct{}, 64)
	var wg sync.WaitGroup
	for i := range channels {
		wg.Go(func() { channels[i] = d.Done() })
	}
	wg.Wait()
	if d.Err() != nil {
		t.Fatalf("before the time-out: %v", d.Err())
	}
	d.Stop()
	for i, c := range channels {
		if c != channels[0] {
			t.Fatalf("caller %d waits for a timer of its own", i)
		}
		<-c
	}
}
