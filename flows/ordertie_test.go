package flows_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// An order ties its user as registering would: never to what is another's, and never
// twice.
func TestCustomerTies(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), storetest.NewFaulty(memstore.New())
	ring, err := keys.New([][]byte{[]byte("0123456789abcdefghijklmnopqrstuvwxyz")})
	if err != nil {
		t.Fatal(err)
	}
	composer, err := message.NewComposer(message.ComposerConfig{BaseURL: "https://login.example.com/user/"})
	if err != nil {
		t.Fatal(err)
	}
	outbox, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(account.Config{Store: st, Keys: ring, Composer: composer, Sender: outbox, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	systems, err := publisher.New(publisher.Config{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		st.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 17, LastName: "Nordmann"}), st.PutCustomer(ctx, store.Customer{PartnerID: "p", Number: 18, LastName: "Berg"}),
		st.CreateUser(ctx, store.User{ID: "kari", Number: 1}), st.CreateUser(ctx, store.User{ID: "ola", Number: 2}), st.CreateUser(ctx, store.User{ID: "gone", Number: 3, Blocked: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tie := flows.CustomerTies(accounts, systems)
	st.Inject(storetest.Fault{Method: "UpdateUser"})
	if err := tie(ctx, "site", "kari", "p", 17); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("an outage: %v", err)
	}
	st.Heal()
	for _, step := range []struct {
		user   string
		number int64
		want   int64 // what she is tied to then
	}{{"kari", 17, 17}, {"kari", 17, 17}, {"kari", 18, 17}, {"ola", 17, 0}, {"ola", 99, 0}, {"ola", 18, 18}, {"gone", 18, 0}, {"nobody", 18, 0}} {
		if err := tie(ctx, "site", step.user, "p", step.number); err != nil {
			t.Errorf("%+v: %v", step, err)
		}
		u, err := st.User(ctx, step.user)
		if err == nil && u.CustomerNumber("p") != step.want {
			t.Errorf("%+v: tied to %d", step, u.CustomerNumber("p"))
		}
	}
}
