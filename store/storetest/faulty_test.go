package storetest_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// Without a fault the wrapped store shows through.
func TestFaultyKeepsTheContracts(t *testing.T) {
	t.Setenv("SOAK_ROUNDS", "5")
	storetest.Run(t, func(*testing.T) store.Store { return storetest.NewFaulty(memstore.New()) })
}

// Every method of a store can be made to fail, also one that is added tomorrow.
func TestFaultyCoversEveryMethod(t *testing.T) {
	for _, after := range []bool{false, true} {
		f := storetest.NewFaulty(memstore.New())
		f.Inject(storetest.Fault{After: after})
		var names []string
		for _, role := range []reflect.Type{reflect.TypeFor[store.Store](), reflect.TypeFor[store.Sweeper](), reflect.TypeFor[store.Pinger]()} {
			for i := range role.NumMethod() {
				m := role.Method(i)
				names = append(names, m.Name)
				if err := callZero(t, f, m); !errors.Is(err, storetest.ErrInjected) {
					t.Errorf("%s, failing after the work: %v: returned %v, want %v", m.Name, after, err, storetest.ErrInjected)
				}
			}
		}
		if calls := f.Calls(); !slices.Equal(calls, names) {
			t.Errorf("Calls = %v, want %v", calls, names)
		}
	}
}

// callZero calls the method with zero values and returns its error, or its list's.
func callZero(t *testing.T, s any, m reflect.Method) error {
	v := reflect.ValueOf(s).MethodByName(m.Name)
	in := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < v.Type().NumIn(); i++ {
		in = append(in, reflect.Zero(v.Type().In(i)))
	}
	out := v.Call(in)
	last := out[len(out)-1]
	if last.Kind() == reflect.Func {
		var err error
		last.Call([]reflect.Value{reflect.MakeFunc(last.Type().In(0), func(in []reflect.Value) []reflect.Value {
			err, _ = in[1].Interface().(error)
			return []reflect.Value{reflect.ValueOf(false)}
		})})
		return err
	}
	err, _ := last.Interface().(error)
	return err
}

func TestFaultyNth(t *testing.T) {
	f := storetest.NewFaulty(memstore.New())
	boom := errors.New("boom")
	f.Inject(storetest.Fault{Method: "PutClient", Nth: 2, Err: boom, After: true})
	for i, want := range []error{nil, boom, nil} {
		if err := f.PutClient(t.Context(), store.Client{ID: string(rune('a' + i))}); !errors.Is(err, want) {
			t.Errorf("call %d: %v, want %v", i+1, err, want)
		}
	}
	if _, err := f.Client(t.Context(), "b"); err != nil {
		t.Errorf("the call that failed after its work left nothing: %v", err)
	}
	f.Inject(storetest.Fault{Method: "Client"})
	if _, err := f.Client(t.Context(), "b"); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Client = %v, want %v", err, storetest.ErrInjected)
	}
	f.Heal()
	if _, err := f.Client(t.Context(), "b"); err != nil {
		t.Errorf("Client after Heal: %v", err)
	}
}

func TestFaultyDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := storetest.NewFaulty(memstore.New())
		var hooked string
		f.Inject(storetest.Fault{Method: "EndSession", Delay: 10 * time.Second, Hook: func(m string) { hooked = m }})
		start := time.Now()
		if err := f.EndSession(t.Context(), store.DigestOf("x")); err != nil || time.Since(start) != 10*time.Second || hooked != "EndSession" {
			t.Errorf("EndSession: %v after %v, hook saw %q", err, time.Since(start), hooked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := f.EndSession(ctx, store.DigestOf("x")); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("EndSession: %v after %v, want the context's error after 1s", err, time.Since(start))
		}
	})
}
