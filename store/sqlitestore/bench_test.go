package sqlitestore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var serial atomic.Int64

func digest() store.Digest { return store.DigestOf(fmt.Sprint(serial.Add(1))) }

// must is not marked as a helper: that costs more than what is measured.
func must(tb testing.TB, err error) {
	if err != nil {
		tb.Fatal(err)
	}
}

func session() store.Session {
	now := time.Now()
	return store.Session{Handle: digest(), Check: digest(), UserID: "user", CreatedAt: now, UsedAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour)}
}

func BenchmarkClient(b *testing.B) {
	s := open(b)
	must(b, s.PutClient(b.Context(), store.Client{ID: "client", Targets: []string{"https://paper.example"}}))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Client(ctx, "client")
		must(b, err)
	}
}

func BenchmarkSession(b *testing.B) {
	s, r := open(b), session()
	must(b, s.CreateSession(b.Context(), r))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Session(ctx, r.Handle)
		must(b, err)
	}
}

func BenchmarkAccessToken(b *testing.B) {
	s, hash := open(b), digest()
	must(b, s.PutAccessToken(b.Context(), store.AccessToken{Hash: hash, ClientID: "client", ExpiresAt: time.Now().Add(time.Hour)}))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.AccessToken(ctx, hash)
		must(b, err)
	}
}

func BenchmarkTouchSession(b *testing.B) {
	s, r := open(b), session()
	must(b, s.CreateSession(b.Context(), r))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.TouchSession(ctx, r.Handle, time.Now(), r.IdleAt))
	}
}

func BenchmarkAdd(b *testing.B) {
	s := open(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.Add(ctx, "key", 1, time.Minute)
		must(b, err)
	}
}

// BenchmarkCreateSession is one durable write after the other.
func BenchmarkCreateSession(b *testing.B) {
	s := open(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.CreateSession(ctx, session()))
	}
}

// BenchmarkCreateSession64 is 64 writers at once, who share commits.
func BenchmarkCreateSession64(b *testing.B) {
	s := open(b)
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			must(b, s.CreateSession(b.Context(), session()))
		}
	})
}

// BenchmarkTakeCode is a code's whole life: stored and taken.
func BenchmarkTakeCode(b *testing.B) {
	s := open(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		c := store.AuthorizationCode{Hash: digest(), ClientID: "client", GrantID: "grant", ExpiresAt: time.Now().Add(time.Hour)}
		must(b, s.PutCode(ctx, c))
		_, err := s.TakeCode(ctx, c.Hash, "client")
		must(b, err)
	}
}

// BenchmarkCommitOrders is one step after the other: an order is placed with its
// payment, and both are paid.
func BenchmarkCommitOrders(b *testing.B) {
	s := open(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		orders, payments := basket()
		must(b, s.CommitOrders(ctx, orders, payments))
		orders[0].Version, payments[0].Version = 1, 1
		must(b, s.CommitOrders(ctx, orders, payments))
	}
}

// BenchmarkCommitOrders64 is 64 buyers at once, who share commits.
func BenchmarkCommitOrders64(b *testing.B) {
	s := open(b)
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			orders, payments := basket()
			must(b, s.CommitOrders(b.Context(), orders, payments))
			orders[0].Version, payments[0].Version = 1, 1
			must(b, s.CommitOrders(b.Context(), orders, payments))
		}
	})
}

// basket is an order of a few hundred bytes, and its payment.
func basket() ([]store.Order, []store.Payment) {
	n, now := serial.Add(1), time.Now()
	name := fmt.Sprint(n)
	return []store.Order{{ID: n, PartnerID: "partner", ClientID: "client", ExternalID: name, UserID: name, Status: store.OrderAwaitingPayment,
			Amount: 9900, Currency: "NOK", PaymentID: name, Data: make([]byte, 600), OrderedAt: now, CreatedAt: now, UpdatedAt: now}},
		[]store.Payment{{ID: name, PartnerID: "partner", ClientID: "client", UserID: name, Orders: []int64{n}, Reference: name, Status: store.PaymentNew,
			Amount: 9900, Currency: "NOK", CreatedAt: now, UpdatedAt: now}}
}
