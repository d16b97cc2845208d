package order

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// secretive fills every text of a person, also of one that gets a field tomorrow.
func secretive(word string) Person {
	var p Person
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(word + v.Type().Field(i).Name)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{word + v.Type().Field(i).Name}))
		}
	}
	p.CustomerNumber = 1000123
	return p
}

func placedBy(t *testing.T, status store.OrderStatus) store.Order {
	t.Helper()
	receiver := secretive("receiver")
	data, err := encodeContent(Content{
		ExternalID: "ext", Payer: secretive("payer"), UniqueUserID: "uid-of-user", CustomerReference: "personal reference",
		Lines: []Line{{SpecType: "product", Product: "AVI", Name: "Avisen", VoucherCode: "V1", Receiver: &receiver}, {SpecType: "article", SpecCode: "a1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return store.Order{
		ID: 7, PartnerID: "partner", ClientID: "client", ExternalID: "ext", UserID: "user", CustomerNumber: 1000123, Status: status,
		Amount: 100, Currency: "NOK", PaymentID: "pay", Data: data, Moved: []string{"merge"}, Version: 3,
	}
}

// An order whose account is deleted is nobody's. Who it is for stays while it is to be
// handed over, and goes otherwise; the rest is the publisher's.
func TestForget(t *testing.T) {
	for status, keeps := range map[store.OrderStatus]bool{
		store.OrderPreliminary: false, store.OrderAwaitingPayment: true, store.OrderPaid: true,
		store.OrderCancelled: false, store.OrderFailed: false, store.OrderHandedOver: false,
	} {
		before := placedBy(t, status)
		old := string(before.Data)
		o := Forget(before)
		if string(before.Data) != old {
			t.Errorf("%s: what was given has changed", status)
		}
		c, err := decodeContent(o.Data)
		if err != nil {
			t.Fatal(err)
		}
		if o.UserID != "" || o.Moved != nil || !c.Forgotten || time.Since(o.UpdatedAt) > time.Minute || strings.Contains(string(o.Data), "uid-of-user") {
			t.Errorf("%s: %+v", status, o)
		}
		if has := strings.Contains(string(o.Data), "payerLastName") && strings.Contains(string(o.Data), "receiverStreet"); has != keeps {
			t.Errorf("%s: keeps persons: %v, want %v: %s", status, has, keeps, o.Data)
		}
		for _, word := range []string{"payer", "receiver", "personal"} {
			if values := strings.ReplaceAll(strings.ReplaceAll(string(o.Data), `"payer":`, ""), `"receiver":`, ""); !keeps && strings.Contains(values, word) {
				t.Errorf("%s: %q is left in %s", status, word, o.Data)
			}
		}
		for _, kept := range []string{"Avisen", "V1", "a1", `"ext"`, "1000123"} {
			if !strings.Contains(string(o.Data), kept) {
				t.Errorf("%s: %s is gone", status, kept)
			}
		}
		if o.Amount != 100 || o.CustomerNumber != 1000123 || o.PaymentID != "pay" || o.Status != status || o.Version != 3 {
			t.Errorf("%s: bookkeeping %+v", status, o)
		}
		if len(c.Lines) != 2 || c.Lines[0].Receiver == nil || c.Lines[1].Receiver != nil {
			t.Errorf("%s: lines %+v", status, c.Lines)
		}
		again := Forget(o)
		again.UpdatedAt = o.UpdatedAt
		if !reflect.DeepEqual(again, o) {
			t.Errorf("%s: forgotten once more it is %+v", status, again)
		}
		// When it is handed over or closed, nobody is left in it.
		data, err := forgotten(o.Data)
		if err != nil || strings.Contains(string(data), "payerLastName") || strings.Contains(string(data), "receiverStreet") {
			t.Errorf("%s: when it is handed over %s, %v", status, data, err)
		}
	}
	o := placedBy(t, store.OrderPaid)
	if data, err := forgotten(o.Data); err != nil || string(data) != string(o.Data) {
		t.Errorf("an order of somebody was forgotten: %s, %v", data, err)
	}
	for _, data := range []string{"", "{", "[]"} {
		o.Data = []byte(data)
		if got := Forget(o); len(got.Data) != 0 || got.UserID != "" {
			t.Errorf("of the data %q stays %+v", data, got)
		}
	}
}

func TestForgetPayment(t *testing.T) {
	who := Payer{UserID: "user", Email: "kari@example.com", Phone: "+4790000000"}
	for _, d := range []paymentData{
		{Start: &Start{ID: "pay", Payer: who, Description: "Avisen"}, Token: []byte("sealed"), Reason: "declined"},
		{Charge: &Charge{ID: "pay", Payer: who, Description: "Avisen"}, Fault: "amount"},
	} {
		data, err := d.bytes()
		if err != nil {
			t.Fatal(err)
		}
		for _, status := range []store.PaymentStatus{store.PaymentNew, store.PaymentOpen, store.PaymentCaptured, store.PaymentFailed} {
			p := ForgetPayment(store.Payment{ID: "pay", UserID: "user", Status: status, Amount: 100, Data: data, Moved: []string{"m"}, Version: 2})
			if p.UserID != "" || p.Moved != nil || p.Amount != 100 || p.Version != 2 {
				t.Errorf("%s: %+v", status, p)
			}
			if has := strings.Contains(string(p.Data), "kari@"); has != (status == store.PaymentNew) {
				t.Errorf("%s: has its payer: %v", status, has)
			}
			after, err := readPayment(p)
			if err != nil {
				t.Fatal(err)
			}
			if after.Start != nil {
				after.Start.Payer = who
			} else {
				after.Charge.Payer = who
			}
			if !reflect.DeepEqual(after, d) {
				t.Errorf("%s: but for the payer %+v, want %+v", status, after, d)
			}
		}
	}
	for _, data := range []string{"", "{", `"x"`} {
		p := ForgetPayment(store.Payment{ID: "pay", UserID: "user", Status: store.PaymentOpen, Data: []byte(data)})
		if p.UserID != "" || string(p.Data) != data {
			t.Errorf("of the data %q stays %+v", data, p)
		}
	}
}

func TestTitle(t *testing.T) {
	for want, lines := range map[string][]Line{
		"Avisen":                  {{Name: "Avisen", Product: "AVI"}},
		"2 × Avisen, a1, COUPON":  {{Name: "Avisen", Quantity: 2}, {SpecCode: "a1", Quantity: 1}, {SpecCode: "COUPON"}},
		"AVI":                     {{Product: "AVI", SpecCode: "COUPON"}, {}},
		"9007199254740991":        nil,
		"9007199254740991 ":       {{Name: "9007199254740991 "}},
		"<b>&\"', 日本, 3 × Sommar": {{Name: "<b>&\"'"}, {Name: "日本"}, {Name: "Sommar", Quantity: 3}},
	} {
		data, err := json.Marshal(Content{Lines: lines})
		if err != nil {
			t.Fatal(err)
		}
		if got := Title(store.Order{ID: 1<<53 - 1, Data: data}); got != want {
			t.Errorf("Title = %q, want %q", got, want)
		}
	}
	if got := Title(store.Order{ID: 5, Data: []byte("{")}); got != "5" {
		t.Errorf("Title of what can not be read = %q", got)
	}
}

// An order of a deleted account is nobody's for good: who has the link to it finds
// nothing, as of one that never was.
func TestForgottenIsNobodys(t *testing.T) {
	s := &Service{c: Config{Store: memstore.New()}}
	o := placedBy(t, store.OrderHandedOver)
	o.Version = 0
	if err := s.c.Store.CommitOrders(t.Context(), []store.Order{o}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Check(t.Context(), Checkout{OrderIDs: []int64{7}, UserID: "user"}); err != nil || len(got) != 1 {
		t.Errorf("Check of its user = %v, %v", got, err)
	}
	o.Version = 1
	if err := s.c.Store.CommitOrders(t.Context(), []store.Order{Forget(o)}, nil); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", "user", "another"} {
		if got, err := s.Check(t.Context(), Checkout{OrderIDs: []int64{7}, UserID: user}); !errors.Is(err, ErrNotFound) {
			t.Errorf("Check of %q = %v, %v, want %v", user, got, err, ErrNotFound)
		}
		if _, err := s.Pay(t.Context(), Checkout{OrderIDs: []int64{7}, UserID: user}); err == nil {
			t.Errorf("%q pays for it", user)
		}
	}
}

// Who pays is kept until the provider knows it, and no longer.
func TestPayerIsNotKept(t *testing.T) {
	s := &Service{c: Config{Store: memstore.New()}}
	who := Payer{UserID: "user", Email: "kari@example.com"}
	d := paymentData{Start: &Start{ID: "pay", Payer: who}}
	p := store.Payment{ID: "pay", PartnerID: "partner", ClientID: "client"}
	for _, status := range []store.PaymentStatus{store.PaymentNew, store.PaymentOpen} {
		if err := s.commitChange(t.Context(), newChange(p).to(status), d); err != nil {
			t.Fatal(err)
		}
		var err error
		if p, err = s.c.Store.Payment(t.Context(), "pay"); err != nil || strings.Contains(string(p.Data), "kari@") != (status == store.PaymentNew) {
			t.Errorf("%s: %s, %v", status, p.Data, err)
		}
	}
	if d.Start.Payer != who {
		t.Error("what was given has changed")
	}
}
