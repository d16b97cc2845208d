package sqlitestore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// raceHandles lets 64 callers meet over two handles of one file; exactly one may
// succeed, and the others lose with the given error.
func raceHandles(t *testing.T, handles [2]*sqlitestore.Store, lose error, f func(s *sqlitestore.Store, i int) error) {
	t.Helper()
	var (
		wg    sync.WaitGroup
		start = make(chan struct{})
		errs  [64]error
	)
	for i := range errs {
		wg.Go(func() {
			<-start
			errs[i] = f(handles[i%2], i)
		})
	}
	close(start)
	wg.Wait()
	wins := 0
	for _, err := range errs {
		if err == nil {
			wins++
		} else if !errors.Is(err, lose) {
			t.Errorf("a loser got %v, want %v", err, lose)
		}
	}
	if wins != 1 {
		t.Fatalf("%d of %d callers over two handles succeeded, want exactly one", wins, len(errs))
	}
}

// TestStoreRacesOverHandles is what two nodes on one machine do to each other.
func TestStoreRacesOverHandles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	handles := [2]*sqlitestore.Store{openFile(t, file), openFile(t, file)}
	ctx, end := t.Context(), time.Now().Add(time.Hour)
	token := func(grant string) store.AccessToken {
		return store.AccessToken{Hash: digest(), GrantID: grant, ExpiresAt: end}
	}
	for round := range storetest.Rounds() {
		id := fmt.Sprint("round ", round)
		hash, mac := digest(), digest()
		must(t, handles[0].PutCode(ctx, store.AuthorizationCode{Hash: hash, ClientID: "client", GrantID: id, ExpiresAt: end}))
		raceHandles(t, handles, store.ErrUsed, func(s *sqlitestore.Store, _ int) error {
			_, err := s.TakeCode(ctx, hash, "client")
			return err
		})
		must(t, handles[1].PutOneTimeCode(ctx, store.OneTimeCode{Key: hash, MAC: mac, ExpiresAt: end}))
		raceHandles(t, handles, store.ErrNotFound, func(s *sqlitestore.Store, _ int) error {
			_, err := s.TakeOneTimeCode(ctx, hash, mac)
			return err
		})
		must(t, handles[0].CreateGrant(ctx, store.Grant{ID: id, ExpiresAt: end}, token(id)))
		raceHandles(t, handles, store.ErrConflict, func(s *sqlitestore.Store, _ int) error {
			return s.SwapGrant(ctx, store.Grant{ID: id, Version: 1, ExpiresAt: end}, token(id))
		})
		must(t, handles[1].CreateSeries(ctx, store.Series{ID: id, IdleAt: end, ExpiresAt: end}))
		raceHandles(t, handles, store.ErrConflict, func(s *sqlitestore.Store, _ int) error {
			return s.SwapSeries(ctx, store.Series{ID: id, Version: 1, IdleAt: end, ExpiresAt: end})
		})
		ticket := store.Ticket{Kind: store.ProofID, Hash: hash, ClientID: "client", ExpiresAt: end}
		raceHandles(t, handles, store.ErrConflict, func(s *sqlitestore.Store, _ int) error { return s.PutTicket(ctx, ticket) })
		raceHandles(t, handles, store.ErrUsed, func(s *sqlitestore.Store, _ int) error {
			_, err := s.TakeTicket(ctx, ticket.Kind, hash, "client")
			return err
		})
		raceHandles(t, handles, store.ErrConflict, func(s *sqlitestore.Store, i int) error {
			return s.CreateSigningKey(ctx, store.SigningKey{ID: fmt.Sprint(id, " by ", i), Alg: "ES256", Generation: int64(round + 1), ExpiresAt: end})
		})
		must(t, handles[0].PutDelivery(ctx, store.Delivery{Kind: store.BackchannelLogout, ID: id, DueAt: time.Now(), ExpiresAt: end}))
		raceHandles(t, handles, store.ErrNotFound, func(s *sqlitestore.Store, _ int) error {
			_, err := s.ClaimDelivery(ctx, store.BackchannelLogout, time.Now(), end)
			return err
		})
		must(t, handles[0].PutVoucher(ctx, store.Voucher{PartnerID: "p", Code: id}))
		raceHandles(t, handles, store.ErrUsed, func(s *sqlitestore.Store, i int) error {
			_, err := s.SpendVoucher(ctx, "p", id, fmt.Sprint("order ", i), time.Now())
			return err
		})
		// What one handle has written the other sees at once.
		must(t, handles[0].RevokeGrant(ctx, id, end))
		if _, err := handles[1].Grant(ctx, id); !errors.Is(err, store.ErrRevoked) {
			t.Fatalf("Grant by the other handle: %v, want %v", err, store.ErrRevoked)
		}
	}
}

// TestNothingIsLostOverHandles is what is added to one record from both sides.
func TestNothingIsLostOverHandles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	handles := [2]*sqlitestore.Store{openFile(t, file), openFile(t, file)}
	ctx, r := t.Context(), session()
	must(t, handles[0].CreateSession(ctx, r))
	const deliveries = 200
	for i := range deliveries {
		must(t, handles[i%2].PutDelivery(ctx, store.Delivery{Kind: store.BackchannelLogout, ID: fmt.Sprint(i), DueAt: time.Now(), ExpiresAt: r.ExpiresAt}))
	}
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = map[string]int{}
	)
	at := time.Now()
	for i := range 64 {
		wg.Go(func() {
			s := handles[i%2]
			if err := s.AddConsent(ctx, store.Consent{UserID: "user", ClientID: "client", Scopes: []string{fmt.Sprintf("%02d", i)}}); err != nil {
				t.Errorf("AddConsent: %v", err)
			}
			if err := s.VisitSession(ctx, r.Handle, fmt.Sprint(i)); err != nil {
				t.Errorf("VisitSession: %v", err)
			}
			for {
				d, err := s.ClaimDelivery(ctx, store.BackchannelLogout, at, r.ExpiresAt)
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				if err != nil {
					t.Errorf("ClaimDelivery: %v", err)
					return
				}
				mu.Lock()
				got[d.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range got {
		if n != 1 {
			t.Errorf("delivery %s was handed out %d times", id, n)
		}
	}
	sess, err := handles[1].Session(ctx, r.Handle)
	must(t, err)
	consent, err := handles[1].Consent(ctx, "user", "client")
	must(t, err)
	if len(got) != deliveries || len(sess.Clients) != 64 || len(consent.Scopes) != 64 {
		t.Errorf("%d deliveries, %d visits, %d scopes; want %d, 64, 64", len(got), len(sess.Clients), len(consent.Scopes), deliveries)
	}
}
