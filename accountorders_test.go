package connectid_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// ordered stores an order of the user with a payment that has paid for it.
func (s *site) ordered(id int64, userID string, status store.OrderStatus) {
	s.t.Helper()
	content, err := json.Marshal(order.Content{Payer: order.Person{LastName: "Nordmann"}, Lines: []order.Line{{Name: fmt.Sprint("Weekend <", id, ">"), Quantity: 2}}})
	if err != nil {
		s.t.Fatal(err)
	}
	o := store.Order{ID: id, PartnerID: "partner", ClientID: clientID, UserID: userID, Status: status, Amount: 19900, Currency: "NOK", PaymentID: fmt.Sprint("pay", id), Data: content}
	p := store.Payment{ID: o.PaymentID, PartnerID: "partner", ClientID: clientID, UserID: userID, Orders: []int64{id}, Status: store.PaymentCaptured, Amount: 19900, Currency: "NOK"}
	if err := s.store.CommitOrders(context.Background(), []store.Order{o}, []store.Payment{p}); err != nil {
		s.t.Fatal(err)
	}
}

// orders returns the IDs of the user's orders.
func (s *site) orders(userID string) (ids []int64) {
	s.t.Helper()
	for o, err := range s.store.UserOrders(context.Background(), "", userID) {
		if err != nil {
			s.t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	return ids
}

// Orders come along in a merge, and go back when it is undone; those that were placed
// since stay.
func TestOrdersAreMerged(t *testing.T) {
	s := newSite(t)
	old := s.user(work, "the other password")
	u := s.user(kari, password)
	s.ordered(1, u.ID, store.OrderPaid)
	s.ordered(2, old.ID, store.OrderPaid)
	b := s.login(kari, password, true)
	b.open("merge").prove(s, work, work).wantState("mergeState")
	if !strings.Contains(b.text(), "The orders of the other account come along.") {
		t.Errorf("the page does not say it: %s", b.text())
	}
	b.submit("mergeEvent").wantAt(returnURL)
	if got := s.orders(u.ID); !slices.Equal(got, []int64{1, 2}) || len(s.orders(old.ID)) != 0 {
		t.Errorf("after the merge she has %v", got)
	}
	s.ordered(3, u.ID, store.OrderPaid)
	s.browser().get(s.messagesTo(work, message.AccountsMerged)[0].Link).wantState("unmergeState").submit("unmergeEvent").wantState("unmergedState")
	if hers, others := s.orders(u.ID), s.orders(old.ID); !slices.Equal(hers, []int64{1, 3}) || !slices.Equal(others, []int64{2}) {
		t.Errorf("after the undo they have %v and %v", hers, others)
	}
}

// My account shows what a user has ordered and how far it has come, the export has all
// of it, and when the account goes it stays with the publisher, and is nobody's.
func TestOrdersOfAnAccount(t *testing.T) {
	s := newSite(t)
	u, other := s.user(kari, password), s.user(ola, password)
	b := s.login(kari, password, true)
	if b.open("account"); strings.Contains(b.text(), "Orders") {
		t.Error("orders are shown to who has none")
	}
	s.ordered(1, u.ID, store.OrderPaid)
	s.ordered(2, u.ID, store.OrderHandedOver)
	s.ordered(3, other.ID, store.OrderHandedOver)
	b.open("account", "lang", "en")
	for _, want := range []string{"Orders", "2 × Weekend <1>", "Being handled · NOK\u00a0199.00", "Completed · NOK\u00a0199.00"} {
		if !strings.Contains(b.text(), want) {
			t.Errorf("My account does not say %q: %s", want, b.text())
		}
	}
	if strings.Contains(b.text(), "Weekend <3>") || strings.Contains(b.body, "Weekend <1>") {
		t.Errorf("My account says what it should not: %s", b.body)
	}
	b.submit("exportEvent").wantState("exportState").submit("downloadEvent").wantStatus(200)
	var x account.Export
	if err := json.Unmarshal([]byte(b.body), &x); err != nil || len(x.Parts["orders"]) != 2 || len(x.Parts["payments"]) != 2 || x.Parts["orders"][0].Title != "2 × Weekend <1>" {
		t.Errorf("exported %+v and %+v, %v", x.Parts["orders"], x.Parts["payments"], err)
	}
	if !strings.Contains(b.body, "Nordmann") {
		t.Errorf("what she has written is not in the export: %s", b.body)
	}
	b.open("account").submit("deleteAccountEvent").submit("accountDeletedEvent", "confirmation", kari).wantState("accountDeletedState")
	if len(s.orders(u.ID)) != 0 || len(s.orders(other.ID)) != 1 {
		t.Errorf("after the deletion she has %v and another account %v", s.orders(u.ID), s.orders(other.ID))
	}
	for id, keeps := range map[int64]bool{1: true, 2: false} { // the first is still to be handed over
		o, err := s.store.Order(t.Context(), id)
		if err != nil || o.UserID != "" || o.Amount != 19900 || strings.Contains(string(o.Data), "Nordmann") != keeps {
			t.Errorf("order %d of a deleted account is %+v, %s, %v", id, o, o.Data, err)
		}
	}
}
