package order

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Forget returns the order as it stays when its user deletes her account: the
// publisher's bookkeeping, and nobody's. An order that is paid for, or may be by a
// payment that has begun, keeps who it is for until it is handed over; of any other
// no person is left but her number at the publisher.
func Forget(o store.Order) store.Order {
	o.UserID, o.Moved, o.UpdatedAt = "", nil, time.Now().UTC().Truncate(time.Millisecond)
	c, err := decodeContent(o.Data)
	switch {
	case len(o.Data) == 0:
		return o
	case err != nil: // nobody can hand it over either
		o.Data = nil
		return o
	}
	c.Forgotten = true
	if o.Status != store.OrderPaid && o.Status != store.OrderAwaitingPayment {
		c = c.withoutPersons()
	}
	c.UniqueUserID = ""
	if o.Data, err = encodeContent(c); err != nil {
		o.Data = nil
	}
	return o
}

// forgotten is what is kept of an order once nobody has to know any more who it is
// for: all of it, unless it is to be forgotten.
func forgotten(data []byte) ([]byte, error) {
	c, err := decodeContent(data)
	if err != nil || !c.Forgotten {
		return data, err
	}
	return encodeContent(c.withoutPersons())
}

// withoutPersons returns the content without what it says of persons. Their numbers
// at the publisher stay: who they are the publisher knows.
func (c Content) withoutPersons() Content {
	c.Payer = Person{CustomerNumber: c.Payer.CustomerNumber}
	c.UniqueUserID, c.CustomerReference = "", ""
	lines := make([]Line, len(c.Lines))
	for i, l := range c.Lines {
		if l.Receiver != nil { // still somebody else than the payer
			l.Receiver = &Person{CustomerNumber: l.Receiver.CustomerNumber}
		}
		lines[i] = l
	}
	c.Lines = lines
	return c
}

// ForgetPayment returns the payment as it stays when its user deletes her account.
// What an agreement to pay again and again needs is kept: a subscription does not end
// with an account.
func ForgetPayment(p store.Payment) store.Payment {
	p.UserID, p.Moved, p.UpdatedAt = "", nil, time.Now().UTC().Truncate(time.Millisecond)
	if len(p.Data) == 0 || p.Status == store.PaymentNew { // the provider is still to be told who pays
		return p
	}
	var d paymentData
	if json.Unmarshal(p.Data, &d) != nil {
		return p // what it holds is no payment of the kit
	}
	if data, err := d.withoutPayer().bytes(); err == nil {
		p.Data = data
	}
	return p
}

// withoutPayer returns the data without who pays, which only the beginning of a
// payment needs.
func (d paymentData) withoutPayer() paymentData {
	if d.Start != nil {
		start := *d.Start
		start.Payer = Payer{}
		d.Start = &start
	}
	if d.Charge != nil {
		charge := *d.Charge
		charge.Payer = Payer{}
		d.Charge = &charge
	}
	return d
}

// Title says what was ordered, in the words of the catalogue; the order's number if
// that can not be read.
func Title(o store.Order) string {
	c, err := decodeContent(o.Data)
	if err != nil {
		c = Content{}
	}
	var names []string
	for _, l := range c.Lines {
		name := l.Name
		for _, code := range []string{l.Product, l.SpecCode} {
			if name == "" {
				name = code
			}
		}
		if l.Quantity > 1 && name != "" {
			name = strconv.Itoa(l.Quantity) + " × " + name
		}
		if name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return strconv.FormatInt(o.ID, 10)
	}
	return strings.Join(names, ", ")
}
