package order

import (
	"bytes"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
)

func TestContentIsKept(t *testing.T) {
	t.Parallel()
	price := int64(29900)
	c := Content{
		ExternalID: "x", OrderDate: time.UnixMilli(1_700_000_000_000).UTC(), Method: CreditCard, Amount: &price, Payer: Person{LastName: "Ødegård", Emails: []string{"a@b.no"}},
		Lines: []Line{{SpecType: specCoupon, SpecCode: "A", SpecNo: 1, Price: price, Period: Period{Length: 1, Unit: store.Months}, Receiver: &Person{LastName: "Berg"}}},
	}
	data, err := encodeContent(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeContent(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := encodeContent(back)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%s became %s, %v", data, again, err)
	}
	copied := c.clone()
	copied.Lines[0].Receiver.LastName, copied.Payer.Emails[0], copied.Lines[0].Price = "x", "x", 0
	if c.Lines[0].Receiver.LastName != "Berg" || c.Payer.Emails[0] != "a@b.no" || c.Lines[0].Price != price {
		t.Error("the copy shares something")
	}
	if _, err := decodeContent([]byte("{")); err == nil {
		t.Error("half a record is read")
	}
}

// Whatever is said of a person is refused, or comes out in a form that is not changed
// by being checked again.
func FuzzPerson(f *testing.F) {
	f.Add("Nordmann", "0150", "kari@example.com", "+4790012345", "NO", "1990-02-01")
	f.Add(" \x00", "", "a@b", "90012345", "UK", "x")
	f.Add("É", "SW1A 1AA", "\"a b\"@c.no", "+47 900 12 345", "gb", "2020-02-30")
	f.Fuzz(func(t *testing.T, name, code, email, phone, country, born string) {
		client, now := &store.Client{}, time.Now()
		p := Person{LastName: name, PostalCode: code, Emails: []string{email}, PhoneNumbers: []string{phone}, CountryCode: country, BirthDate: born}
		if p.check("payer", client, now) != nil {
			return
		}
		again := p
		again.Emails, again.PhoneNumbers = []string{p.Emails[0]}, []string{p.PhoneNumbers[0]}
		if err := again.check("payer", client, now); err != nil || !again.same(p) {
			t.Errorf("%+v became %+v, %v", p, again, err)
		}
		id, ok := canonicalEmail(p.Emails[0])
		if twice, again := canonicalEmail(id); !ok || !again || twice != id {
			t.Errorf("%q is not canonical", id)
		}
	})
}
