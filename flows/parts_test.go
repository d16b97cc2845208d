package flows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// place stores an order of the user and the payment for it.
func place(t *testing.T, s store.Orders, id int64, userID string, status store.OrderStatus, paid store.PaymentStatus) {
	t.Helper()
	content, err := json.Marshal(order.Content{Payer: order.Person{LastName: "Nordmann"}, Lines: []order.Line{{Name: "Avisen", Product: "AVI"}}})
	if err != nil {
		t.Fatal(err)
	}
	o := store.Order{ID: id, PartnerID: "partner", ClientID: "client", UserID: userID, Status: status, Amount: 19900, Currency: "NOK", PaymentID: fmt.Sprint("pay", id), Data: content}
	p := store.Payment{ID: o.PaymentID, PartnerID: "partner", ClientID: "client", UserID: userID, Orders: []int64{id}, Status: paid, Amount: 19900, Currency: "NOK",
		Data: []byte(`{"start":{"Payer":{"Email":"kari@example.com"}},"token":"c2VhbGVk"}`)}
	if err := s.CommitOrders(t.Context(), []store.Order{o}, []store.Payment{p}); err != nil {
		t.Fatal(err)
	}
}

func part(t *testing.T, s store.Orders, name string) account.Part {
	t.Helper()
	parts := flows.OrderParts(s)
	i := slices.IndexFunc(parts, func(p account.Part) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no part %s", name)
	}
	return parts[i]
}

func TestOrdersAreListed(t *testing.T) {
	s := memstore.New()
	kari := store.User{ID: "kari"}
	place(t, s, 1, "kari", store.OrderPaid, store.PaymentCaptured)
	place(t, s, 2, "ola", store.OrderPaid, store.PaymentCaptured)
	place(t, s, 3, "", store.OrderPaid, store.PaymentCaptured)
	orders, err := part(t, s, "orders").List(t.Context(), kari)
	if err != nil || len(orders) != 1 || orders[0].Title != "Avisen" || orders[0].Detail != "paid, NOK\u00a0199.00" {
		t.Errorf("orders %+v, %v", orders, err)
	}
	payments, err := part(t, s, "payments").List(t.Context(), kari)
	if err != nil || len(payments) != 1 || payments[0].Title != "pay1" || payments[0].Detail != "captured, NOK\u00a0199.00" {
		t.Errorf("payments %+v, %v", payments, err)
	}
	b, err := json.Marshal([]any{orders, payments})
	if err != nil || !strings.Contains(string(b), "Nordmann") || strings.Contains(string(b), "c2VhbGVk") || strings.Contains(string(b), "token") {
		t.Errorf("the export is %s, %v: want what she has written, and no token", b, err)
	}
	faulty := storetest.NewFaulty(s)
	faulty.Inject(storetest.Fault{})
	for _, p := range flows.OrderParts(faulty) {
		if items, err := p.List(t.Context(), kari); err == nil || items != nil {
			t.Errorf("%s of a store that is down: %v, %v", p.Name, items, err)
		}
		if err := p.Remove(t.Context(), kari); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("removing %s from a store that is down: %v", p.Name, err)
		}
	}
}

func TestOrdersAreForgotten(t *testing.T) {
	s := memstore.New()
	kari := store.User{ID: "kari"}
	place(t, s, 1, "kari", store.OrderPaid, store.PaymentCaptured)
	place(t, s, 2, "kari", store.OrderHandedOver, store.PaymentCaptured)
	place(t, s, 3, "ola", store.OrderHandedOver, store.PaymentCaptured)
	remove := func(s store.Orders) error {
		for _, p := range flows.OrderParts(s) {
			if err := p.Remove(t.Context(), kari); err != nil {
				return err
			}
		}
		return nil
	}
	// A failure in between leaves some; doing it again forgets the rest.
	for _, after := range []bool{false, true} {
		faulty := storetest.NewFaulty(s)
		faulty.Inject(storetest.Fault{Method: "CommitOrders", Nth: 2, After: after})
		if err := remove(faulty); !errors.Is(err, storetest.ErrInjected) {
			t.Fatalf("Remove = %v", err)
		}
	}
	for range 2 {
		if err := remove(s); err != nil {
			t.Fatal(err)
		}
	}
	for id, keeps := range map[int64]bool{1: true, 2: false, 3: true} {
		o, err := s.Order(t.Context(), id)
		if err != nil || strings.Contains(string(o.Data), "Nordmann") != keeps || (o.UserID == "") != (id < 3) {
			t.Errorf("order %d is %+v, %s, %v", id, o, o.Data, err)
		}
		p, err := s.Payment(t.Context(), fmt.Sprint("pay", id))
		if err != nil || (p.UserID == "") != (id < 3) || strings.Contains(string(p.Data), "kari@") != (id == 3) || !strings.Contains(string(p.Data), "c2VhbGVk") {
			t.Errorf("payment of order %d is %+v, %s, %v", id, p, p.Data, err)
		}
	}
}

// Somebody else changes the order all the while: it is forgotten all the same, and
// nothing of the other's change is lost.
func TestOrdersAreForgottenWhileTheyChange(t *testing.T) {
	mem := memstore.New()
	place(t, mem, 1, "kari", store.OrderAwaitingPayment, store.PaymentCapturing)
	faulty := storetest.NewFaulty(mem)
	var once sync.Once
	faulty.Inject(storetest.Fault{Method: "CommitOrders", Hook: func(string) {
		once.Do(func() {
			o, err := mem.Order(context.Background(), 1)
			if o.Status = store.OrderHandedOver; err == nil {
				err = mem.CommitOrders(context.Background(), []store.Order{o}, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}})
	if err := part(t, faulty, "orders").Remove(t.Context(), store.User{ID: "kari"}); err != nil {
		t.Fatal(err)
	}
	o, err := mem.Order(t.Context(), 1)
	if err != nil || o.Status != store.OrderHandedOver || o.UserID != "" || strings.Contains(string(o.Data), "Nordmann") {
		t.Errorf("order %+v, %s, %v", o, o.Data, err)
	}
	// What has become somebody else's meanwhile is not hers to forget.
	place(t, mem, 2, "kari", store.OrderPaid, store.PaymentCaptured)
	moved := storetest.NewFaulty(mem)
	var move sync.Once
	moved.Inject(storetest.Fault{Method: "CommitOrders", Hook: func(string) {
		move.Do(func() {
			if _, err := mem.MoveOrders(context.Background(), "merge", "kari", "ola"); err != nil {
				t.Error(err)
			}
		})
	}})
	if err := part(t, moved, "orders").Remove(t.Context(), store.User{ID: "kari"}); err != nil {
		t.Fatal(err)
	}
	if o, err := mem.Order(t.Context(), 2); err != nil || o.UserID != "ola" || !strings.Contains(string(o.Data), "Nordmann") {
		t.Errorf("the survivor's order %+v, %v", o, err)
	}
}

func TestOrdersMove(t *testing.T) {
	s := memstore.New()
	part := flows.OrderMerge(s)
	kari, ola := store.User{ID: "kari"}, store.User{ID: "ola"}
	m := store.Merge{ID: "merge", Survivor: "kari", Absorbed: "ola"}
	lines, err := part.PlanMerge(t.Context(), kari, ola)
	if err != nil || len(lines) != 0 {
		t.Errorf("PlanMerge of nothing = %v, %v", lines, err)
	}
	place(t, s, 1, "kari", store.OrderPaid, store.PaymentCaptured)
	place(t, s, 2, "ola", store.OrderPaid, store.PaymentCaptured)
	place(t, s, 3, "ola", store.OrderPaid, store.PaymentCaptured)
	lines, err = part.PlanMerge(t.Context(), kari, ola)
	if err != nil || len(lines) != 1 || lines[0].Text != "merge.line.orders" {
		t.Errorf("PlanMerge = %v, %v", lines, err)
	}
	has := func(user string, want ...int64) {
		t.Helper()
		var ids []int64
		for o, err := range s.UserOrders(t.Context(), "", user) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, o.ID)
		}
		n := 0
		for range s.UserPayments(t.Context(), user) {
			n++
		}
		if !slices.Equal(ids, want) || n != len(want) {
			t.Errorf("%s has the orders %v and %d payments, want %v", user, ids, n, want)
		}
	}
	for range 2 { // twice, or in vain, does no harm
		if err := part.Merge(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		has("kari", 1, 2, 3)
		has("ola")
	}
	place(t, s, 4, "kari", store.OrderPaid, store.PaymentCaptured)
	for range 2 {
		if err := part.Unmerge(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		has("kari", 1, 4)
		has("ola", 2, 3)
	}
	faulty := storetest.NewFaulty(s)
	faulty.Inject(storetest.Fault{})
	down := flows.OrderMerge(faulty)
	if _, err := down.PlanMerge(t.Context(), kari, ola); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("PlanMerge of a store that is down: %v", err)
	}
	if err := errors.Join(down.Merge(t.Context(), m), down.Unmerge(t.Context(), m)); !errors.Is(err, storetest.ErrInjected) {
		t.Errorf("Merge and Unmerge of a store that is down: %v", err)
	}
}
