package memstore

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Tickets come with each request that has a DPoP proof, deliveries with each
// logout: what has expired makes room as others come, without a sweep.
func TestTicketsAndDeliveriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ctx := New(), t.Context()
		const live = 600 // a minute's worth
		for i := range 20 * live {
			end := time.Now().Add(time.Minute)
			name := fmt.Sprint(i)
			if err := s.PutTicket(ctx, store.Ticket{Kind: store.ProofID, Hash: store.DigestOf(name), UserID: "user", ExpiresAt: end}); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				if _, err := s.TakeTicket(ctx, store.ProofID, store.DigestOf(name), ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.PutDelivery(ctx, store.Delivery{Kind: store.BackchannelLogout, ID: name, DueAt: end, ExpiresAt: end}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute / live)
			if tickets, deliveries, due := len(s.tickets.t.byKey), len(s.outbox.t.byKey), s.outbox.due[store.BackchannelLogout].Len(); tickets > live+2 || deliveries > live+2 || due != deliveries {
				t.Fatalf("after %d: %d tickets, %d deliveries, %d of them in order; want at most %d", i+1, tickets, deliveries, due, live+2)
			}
		}
		time.Sleep(time.Hour)
		if n, err := s.Sweep(ctx, time.Now(), 10*live); err != nil || n == 0 {
			t.Fatal(n, err)
		}
		if n := len(s.tickets.t.byKey) + len(s.outbox.t.byKey) + s.outbox.due[store.BackchannelLogout].Len() + len(s.tickets.t.indexes[0].heads); n != 0 {
			t.Errorf("%d records are left after a sweep", n)
		}
	})
}
