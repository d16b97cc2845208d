package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// two puts people in one backend and what comes and goes in another.
func two(people, rest store.Store) store.Roles {
	return store.Roles{
		Clients: people, Users: people, Merges: people, Sessions: rest, RememberSeries: people,
		OneTimeCodes: rest, Runs: rest, Grants: people, Counters: rest,
		Customers: people, Subscriptions: people, Memberships: people, DirectoryLinks: people,
		Tickets: rest, SigningKeys: people, Consents: people, Outbox: rest,
		Products: people, Coupons: people, Vouchers: people, Articles: people, Accesses: people, Organisations: people, Orders: people,
	}
}

func compose(t *testing.T, r store.Roles) *store.Composed {
	t.Helper()
	s, err := store.Compose(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestComposedKeepsTheContracts(t *testing.T) {
	t.Setenv("SOAK_ROUNDS", "20")
	storetest.Run(t, func(t *testing.T) store.Store { return compose(t, two(memstore.New(), memstore.New())) })
}

func TestComposeNamesEveryMissingRole(t *testing.T) {
	r := two(memstore.New(), memstore.New())
	r.Users, r.Counters, r.Grants = nil, nil, (*memstore.Store)(nil)
	_, err := store.Compose(r)
	if err == nil || !strings.HasSuffix(err.Error(), "Users, Grants, Counters") {
		t.Errorf("Compose = %v, want the three roles that are missing", err)
	}
}

func TestComposeKeepsUsersAndMergesTogether(t *testing.T) {
	r := two(memstore.New(), memstore.New())
	r.Merges = memstore.New()
	if _, err := store.Compose(r); err == nil || !strings.Contains(err.Error(), "Merges") {
		t.Errorf("Compose = %v, want an error about Merges", err)
	}
}

func TestComposeForwardsOnceToEachBackend(t *testing.T) {
	people, rest := storetest.NewFaulty(memstore.New()), storetest.NewFaulty(memstore.New())
	s := compose(t, two(people, rest))
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
	if _, err := s.Sweep(t.Context(), time.Now(), 10); err != nil {
		t.Errorf("Sweep = %v", err)
	}
	for name, b := range map[string]*storetest.Faulty{"people": people, "rest": rest} {
		if calls := strings.Join(b.Calls(), " "); calls != "Ping Sweep" {
			t.Errorf("%s: calls %q, want one Ping and one Sweep", name, calls)
		}
	}
	rest.Inject(storetest.Fault{})
	if err := s.Ping(t.Context()); !errors.Is(err, storetest.ErrInjected) || !strings.Contains(err.Error(), "Sessions") {
		t.Errorf("Ping = %v, want the fault and whose it is", err)
	}
	if _, err := s.Sweep(t.Context(), time.Now(), 10); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Sweep = %v, want the fault", err)
	}
}

// onlySessions is a backend without the optional interfaces, in a type that
// can not be compared.
type onlySessions struct {
	store.Sessions
	_ []int
}

func TestComposeTakesAnyBackend(t *testing.T) {
	r := two(memstore.New(), memstore.New())
	r.Sessions = onlySessions{Sessions: memstore.New()}
	s := compose(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Ping(ctx); err != nil {
		t.Errorf("Ping = %v", err)
	}
	cancel()
	if _, err := s.Sweep(ctx, time.Now(), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Sweep = %v, want %v", err, context.Canceled)
	}
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping = %v, want %v", err, context.Canceled)
	}
}
