package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Rules of package store's own comment that are checked alike for every role.
const (
	saysConcurrent = "Implementations are safe for concurrent use."
	saysUnchanged  = "A method that returns an error has changed nothing."
	saysContext    = "A cancelled or expired context ends the call with an error that matches the context's, and a write that returns it happens either whole or not at all; one that was under way may be seen to happen a moment later."
	saysValues     = "Records are values: what is returned belongs to the caller, what is given may be changed by the caller afterwards."
	saysTimes      = "Times are UTC and exact to the millisecond at least. A zero time is stored and returned as the zero time. Every field comes back as it was given."
	saysExpiry     = "A record whose ExpiresAt (or, for sessions and series, IdleAt) has passed is absent: it is not found, it does not conflict, it is not listed."
	saysZero       = `The zero Digest means "none" and never matches a record.`
	saysKey        = "A record without a key is refused with an error."
)

// endedContexts calls every method of the role with contexts that have ended.
func endedContexts[R any]() rule[R] {
	return rule[R]{"every method heeds an ended context", saysContext, func(c *recorder, s R) {
		contexts, stop := ended(c.ctx)
		defer stop()
		for want, ctx := range contexts {
			eachMethod[R](func(m reflect.Method) {
				if err := call(ctx, s, m, arguments(m, -1)); !errors.Is(err, want) {
					c.errorf("%s returned %v, want %v", m.Name, err, want)
				}
			})
		}
	}}
}

// hammered calls all methods of the role at once, with few keys, so that they
// meet; run it with the race detector.
func hammered[R any]() rule[R] {
	return rule[R]{"all methods at once", saysConcurrent, func(c *recorder, s R) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 20 {
					eachMethod[R](func(m reflect.Method) {
						if err := call(c.ctx, s, m, arguments(m, i%4)); err != nil && !isSentinel(err) {
							c.errorf("%s, while others call too: %v", m.Name, err)
						}
					})
				}
			})
		}
		wg.Wait()
	}}
}

func eachMethod[R any](f func(reflect.Method)) {
	t := reflect.TypeFor[R]()
	for i := range t.NumMethod() {
		f(t.Method(i))
	}
}

// arguments returns values for the method's parameters after the context. Equal
// n give equal keys; a negative n gives keys of its own.
func arguments(m reflect.Method, n int) []reflect.Value {
	if n < 0 {
		n = int(serial.Add(1))
	}
	var args []reflect.Value
	for i := 1; i < m.Type.NumIn(); i++ {
		t := m.Type.In(i)
		v := reflect.New(t).Elem()
		switch {
		case t.Kind() == reflect.Func: // a callback may be nil
		case t.Kind() == reflect.Struct && t != timeType:
			fill(v, "", n)
			matchKeys(v, n)
		case t == reflect.TypeFor[[]store.Order](), t == reflect.TypeFor[[]store.Payment]():
			v.Set(reflect.MakeSlice(t, 1, 1))
			fill(v.Index(0), "", n)
			matchKeys(v.Index(0), n)
			v.Index(0).FieldByName("Version").SetInt(rand.Int64N(3)) // an insert, or a change
		case t == reflect.TypeFor[time.Duration]():
			v.SetInt(int64(time.Minute))
		case t.Kind() == reflect.Int:
			v.SetInt(1)
		case t.Kind() == reflect.String && t != kindType: // kinds of tickets and deliveries too
			v.SetString(fmt.Sprint("key ", n))
		case t == digestType:
			fill(v, "key", n)
		default:
			fill(v, "", n)
		}
		args = append(args, v)
	}
	return args
}

// matchKeys gives a record the keys that calls with the same n ask for.
func matchKeys(v reflect.Value, n int) {
	for _, name := range []string{"ID", "UserID", "Survivor", "Absorbed", "Directory", "Tenant", "ObjectID", "GrantID", "ClientID", "Handle", "Hash", "Key", "PartnerID", "Code"} {
		f := v.FieldByName(name)
		switch {
		case !f.IsValid():
		case f.Type() == digestType:
			fill(f, "key", n)
		case f.Kind() == reflect.Int64:
			f.SetInt(int64(n + 1))
		default:
			f.SetString(fmt.Sprint("key ", n))
		}
	}
	if f := v.FieldByName("Kind"); f.IsValid() && f.Type() != kindType {
		f.SetString(fmt.Sprint("key ", n))
	}
	if f := v.FieldByName("Version"); f.IsValid() {
		f.SetInt(1)
	}
}

// call calls the method and returns its error, or that of the list it returns.
func call[R any](ctx context.Context, s R, m reflect.Method, args []reflect.Value) error {
	in := append([]reflect.Value{reflect.ValueOf(ctx)}, args...)
	out := reflect.ValueOf(s).MethodByName(m.Name).Call(in)
	last := out[len(out)-1]
	if last.Kind() != reflect.Func {
		err, _ := last.Interface().(error)
		return err
	}
	var err error
	yield := reflect.MakeFunc(last.Type().In(0), func(in []reflect.Value) []reflect.Value {
		if e, _ := in[1].Interface().(error); e != nil {
			err = e
		}
		return []reflect.Value{reflect.ValueOf(err == nil)}
	})
	last.Call([]reflect.Value{yield})
	return err
}
