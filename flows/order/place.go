package order

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

const (
	// commitWithin bounds a placing from the first thing that it leaves behind.
	commitWithin = time.Minute
	// orphanAfter is when the outbox takes an order that does not exist for one
	// whose placing was cut off.
	orphanAfter = 2 * time.Minute
	// tidyWithin bounds what is taken back after a placing that failed, also when
	// its caller is gone.
	tidyWithin = 5 * time.Second
	// handOverWithin bounds what a caller waits for the publisher's system.
	handOverWithin = 10 * time.Second
	// maxAttempts bounds how often a placing begins again.
	maxAttempts = 64
)

var (
	// errVoid says that an order ID was given up before an order had it.
	errVoid = errors.New("order: the ID was given up")
	// errMoved says that the payment of a placing has changed meanwhile.
	errMoved = errors.New("order: the payment has changed")
)

// draft is an order that is about to be placed.
type draft struct {
	order    store.Order
	content  Content
	vouchers []publisher.VoucherUse
	payment  *store.Payment // of the script, that it claims
}

// Place places an order. The same ExternalID with the same Body returns the order
// that exists; with another Body the error is ErrRepeated. A fault of the order is
// a *RefusedError. What needs no provider is handed over before Place returns, if
// the publisher's system takes it at once.
func (s *Service) Place(ctx context.Context, p Placement) (Order, error) {
	if p.Client == nil {
		return Order{}, errors.New("order: a placement without a client")
	}
	if err := checkExternalID(p.ExternalID); err != nil {
		return Order{}, err
	}
	if o, err := s.placed(ctx, p); !errors.Is(err, ErrNotFound) {
		return o, err
	}
	o, err := s.place(ctx, p)
	if err != nil {
		// Somebody else may have placed it meanwhile, with the payment and the
		// vouchers that are no longer to be had.
		if was, again := s.placed(ctx, p); !errors.Is(again, ErrNotFound) {
			return was, again
		}
		return Order{}, err
	}
	return s.advance(ctx, o)
}

// placed returns the order that the placement has made before.
func (s *Service) placed(ctx context.Context, p Placement) (Order, error) {
	if p.ExternalID == "" {
		return Order{}, ErrNotFound
	}
	o, err := s.c.Store.OrderByExternalID(ctx, p.Client.ID, p.ExternalID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Order{}, ErrNotFound
	case err != nil:
		return Order{}, fmt.Errorf("look up order: %w", err)
	case o.Body != p.Body, p.UserID != "" && o.UserID != p.UserID:
		return Order{}, ErrRepeated
	}
	return open(o)
}

func (s *Service) place(ctx context.Context, p Placement) (store.Order, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	c := p.Content.clone()
	if err := c.check(p.Client, now); err != nil {
		return store.Order{}, err
	}
	d := draft{order: store.Order{
		PartnerID: p.Client.PartnerID, ClientID: p.Client.ID, ExternalID: p.ExternalID, Body: p.Body,
		OrderedAt: c.OrderDate, CreatedAt: now, UpdatedAt: now,
	}}
	var err error
	if d.order.UserID, d.order.CustomerNumber, err = s.parties(ctx, p, &c); err != nil {
		return store.Order{}, err
	}
	// Another attempt when the payment has changed, or the ID was given up by one
	// that was cut off before.
	begun := false
	for n, moved := 0, 0; ; {
		id := orderID(s.c.Keys.MAC, p, n)
		if n < maxAttempts {
			o, err := s.c.Store.Order(ctx, id)
			if err == nil && len(o.Data) == 0 {
				n++
				continue
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return store.Order{}, fmt.Errorf("look up order: %w", err)
			}
		}
		spent := d
		if err := s.draw(ctx, p, c.clone(), id, &d); err != nil {
			if begun {
				_, _ = s.takeBack(ctx, spent, p.ExternalID != "")
			}
			return store.Order{}, err
		}
		o, err := s.book(ctx, d)
		switch {
		case errors.Is(err, errVoid) && n < maxAttempts:
			n, begun = n+1, false
		case errors.Is(err, errMoved) && moved < 4:
			moved, begun = moved+1, true
		case errors.Is(err, errMoved):
			_, _ = s.takeBack(ctx, d, p.ExternalID != "")
			return store.Order{}, fmt.Errorf("store order: %w", err)
		default:
			return o, err
		}
	}
}

// orderID returns a random ID of 53 bits: one that nobody can guess. That of an
// order with an ExternalID follows from what was asked for, so that all who place
// the same order at one time spend the same vouchers on the same order.
func orderID(mac func(purpose string, parts ...string) store.Digest, p Placement, n int) int64 {
	var b [8]byte
	if p.ExternalID == "" || n >= maxAttempts {
		_, _ = rand.Read(b[:]) // never fails
	} else {
		d := mac("order id", p.Client.ID, p.ExternalID, p.UserID, string(p.Body[:]), strconv.Itoa(n))
		copy(b[:], d[:])
	}
	return max(1, int64(binary.BigEndian.Uint64(b[:])>>11))
}

// parties returns whose order it is, and as which customer: of the token in user
// mode, and in client mode who is named by uniqueUserId.
func (s *Service) parties(ctx context.Context, p Placement, c *Content) (userID string, customer int64, err error) {
	named := cmp.Or(p.UserID, c.UniqueUserID)
	var own int64
	if named != "" {
		u, err := store.ResolveUser(ctx, s.c.Store, named)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && u.Blocked:
			return "", 0, refuse("uniqueUserId", "names no user")
		case err != nil:
			return "", 0, fmt.Errorf("look up user: %w", err)
		}
		if p.UserID != "" && c.UniqueUserID != "" && c.UniqueUserID != p.UserID && c.UniqueUserID != u.ID {
			return "", 0, refuse("uniqueUserId", "is not the user of the token")
		}
		userID, own = u.ID, u.CustomerNumber(p.Client.PartnerID)
	}
	numbers := map[int64]string{}
	if n := c.Payer.CustomerNumber; n != 0 {
		numbers[n] = "payer"
	}
	for i, l := range c.Lines {
		if l.Receiver != nil && l.Receiver.CustomerNumber != 0 && numbers[l.Receiver.CustomerNumber] == "" {
			numbers[l.Receiver.CustomerNumber] = fmt.Sprintf("orderLines[%d].receiver", i)
		}
	}
	for n, field := range numbers {
		if n == own {
			continue
		}
		// A reader can only speak for herself: nobody learns from orders who is a
		// customer.
		if p.UserID != "" {
			return "", 0, refuse(field+".customerNumber", "is not that of the user of the token")
		}
		_, err := s.c.Publishers.Customers(p.Client.PartnerID).Info(ctx, p.Client.PartnerID, n)
		switch {
		case errors.Is(err, publisher.ErrNotFound):
			return "", 0, refuse(field+".customerNumber", "names no customer")
		case err != nil:
			return "", 0, fmt.Errorf("look up customer: %w", err)
		}
	}
	return userID, cmp.Or(c.Payer.CustomerNumber, own), nil
}

// draw fills in d what the order costs, how it is paid for and what it uses up.
func (s *Service) draw(ctx context.Context, p Placement, c Content, id int64, d *draft) error {
	d.order.ID, d.payment, d.vouchers = id, nil, nil
	d.order.PaymentID, d.order.MerchantID = "", ""
	var a *agreed
	if c.PaymentRef != "" {
		pay, err := s.claimable(ctx, p.Client, d.order.UserID, &c)
		if err != nil {
			return err
		}
		coupon, err := scriptCoupon(pay)
		if err != nil {
			return err
		}
		d.payment = &pay
		a = &agreed{coupon: coupon, amount: pay.Amount, currency: pay.Currency}
	}
	priced, err := s.price(ctx, p.Client, &c, a)
	if err != nil {
		return err
	}
	d.order.Amount, d.order.Currency = priced.total, priced.currency
	if err := s.terms(p.Client, &c, d, priced); err != nil {
		return err
	}
	d.order.Method = string(c.Method)
	for i, l := range c.Lines {
		if l.VoucherCode != "" {
			d.vouchers = append(d.vouchers, voucherUse(d.order.PartnerID, id, i, l))
		}
	}
	d.content = c
	d.order.Data, err = encodeContent(c)
	return err
}

func voucherUse(partnerID string, id int64, line int, l Line) publisher.VoucherUse {
	return publisher.VoucherUse{
		PartnerID: partnerID, Code: l.VoucherCode, Coupon: store.CouponID{Code: l.SpecCode, Number: l.SpecNo}, Use: lineID(id, line),
	}
}

// lineID names a line of an order, where what comes of it is done once.
func lineID(id int64, line int) string { return fmt.Sprintf("order:%d:%d", id, line) }

// terms decides how the order is paid for, and refuses a way that it can not be.
func (s *Service) terms(client *store.Client, c *Content, d *draft, priced *pricing) error {
	total := priced.total
	switch {
	case d.payment != nil:
		p := *d.payment
		if total != p.Amount || priced.currency != p.Currency {
			return refuse("mcPayRef", "is a payment of %d hundredths of %s, but the order costs %d of %s", p.Amount, p.Currency, total, priced.currency)
		}
		d.order.Status, d.order.PaymentID, d.order.MerchantID = store.OrderAwaitingPayment, p.ID, p.MerchantID
		if p.Status == store.PaymentCaptured {
			d.order.Status = store.OrderPaid
		}
		return nil
	case c.Prepaid && client.Public:
		return refuse("prepaid", "is not taken from a client that can not keep a secret")
	case c.Prepaid, total == 0: // nothing that a provider has to do
		d.order.Status = store.OrderPaid
		if !c.Prepaid && c.Method != Invoice {
			c.Method = Free
		}
		return nil
	case c.Method == "":
		return refuse("paymentMethod", "is missing")
	case c.Method == Free:
		return refuse("paymentMethod", "is free, but the order costs %d hundredths of %s", total, priced.currency)
	case c.Method == Invoice && !priced.invoiced:
		return refuse("paymentMethod", "is invoice, but the publisher sends no invoice for a line of the order")
	case c.Method == Invoice:
		d.order.Status = store.OrderPaid
		return nil
	case c.Method == VippsEcommerce && c.Recurring:
		return refuse("recurring", "is not possible with vippsEcommerce")
	case c.Method == VippsRecurring:
		c.Recurring = true
	}
	m, err := s.payee(client.PartnerID, c.MerchantID, c.Method)
	if err != nil {
		return err
	}
	d.order.Status, d.order.MerchantID = store.OrderPreliminary, m.ID
	return nil
}

// payee returns the partner's merchant who gets the money: the one that is named,
// else one that is paid in this way, the default first.
func (s *Service) payee(partnerID, merchantID string, method Method) (*Merchant, error) {
	if merchantID == "" {
		m := s.merchantFor(partnerID, method)
		if m == nil {
			return nil, refuse("paymentMethod", "is %s, for which no payment provider is configured", method)
		}
		return m, nil
	}
	m := s.merchant(partnerID, merchantID)
	switch {
	case m == nil:
		return nil, refuse("merchantId", "names no merchant of the publisher")
	case m.provider(method) == nil:
		return nil, refuse("merchantId", "names a merchant without a payment provider for %s", method)
	}
	return m, nil
}

// claimable returns the payment of the script that the content names, if an order
// of the client can claim it now. The provider has the last word.
func (s *Service) claimable(ctx context.Context, client *store.Client, userID string, c *Content) (store.Payment, error) {
	p, err := s.c.Store.Payment(ctx, c.PaymentRef)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (p.ClientID != client.ID || p.PartnerID != client.PartnerID || !ours(p)):
		return p, refuse("mcPayRef", "names no payment of this client's script")
	case err != nil:
		return p, fmt.Errorf("look up payment: %w", err)
	}
	if len(p.Orders) == 0 {
		if p, err = s.Settle(ctx, p.ID); err != nil {
			return p, fmt.Errorf("settle payment: %w", err)
		}
	}
	switch {
	case len(p.Orders) > 0:
		return p, refuse("mcPayRef", "has paid for an order before")
	case p.Status != store.PaymentAuthorized && p.Status != store.PaymentCaptured:
		return p, refuse("mcPayRef", "is a payment that has not succeeded: it is %s", p.Status)
	case p.UserID != "" && userID != "" && p.UserID != userID:
		return p, refuse("mcPayRef", "is another user's payment")
	case c.Method != "" && c.Method.card() != Method(p.Method).card():
		return p, refuse("paymentMethod", "is not that of the payment, which is %s", p.Method)
	case c.MerchantID != "" && c.MerchantID != p.MerchantID:
		return p, refuse("merchantId", "is not that of the payment")
	}
	c.Method, c.Recurring = Method(p.Method), p.Recurring
	return p, nil
}

// work is what the delivery of an order knows before the order exists.
type work struct {
	PartnerID string `json:"partnerId"`
	ClientID  string `json:"clientId"`
	// Vouchers are those that its placing spends, sealed: they are good until then.
	Vouchers string `json:"vouchers,omitempty"`
}

const voucherSeal = "order vouchers"

// putWork puts the delivery that brings the order to its end. It is put before the
// order is, so that a crash leaves none behind.
func (s *Service) putWork(ctx context.Context, o store.Order, vouchers []publisher.VoucherUse) error {
	w := work{PartnerID: o.PartnerID, ClientID: o.ClientID}
	if len(vouchers) > 0 {
		plain, err := json.Marshal(vouchers)
		if err != nil {
			return fmt.Errorf("encode vouchers: %w", err)
		}
		if w.Vouchers, err = s.c.Keys.Codec(voucherSeal, 0, true).Seal(orderKey(o.ID), plain); err != nil {
			return err
		}
	}
	data, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	now := time.Now().UTC()
	err = s.c.Store.PutDelivery(ctx, store.Delivery{
		Kind: store.OrderWork, ID: orderKey(o.ID), Data: data, DueAt: now.Add(orphanAfter), CreatedAt: now, ExpiresAt: store.NoEnd,
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("put delivery: %w", err)
	}
	return nil
}

func orderKey(id int64) string { return strconv.FormatInt(id, 10) }

// book spends the vouchers and stores the order, and the claim of its payment, in
// one step. When that fails, nothing is left of it; after errMoved it is to be tried
// again, or given up.
func (s *Service) book(ctx context.Context, d draft) (store.Order, error) {
	if err := s.putWork(ctx, d.order, d.vouchers); err != nil {
		return store.Order{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	for i, v := range d.vouchers {
		err := s.c.Publishers.Catalogue(v.PartnerID).SpendVoucher(bounded, v)
		if err == nil {
			continue
		}
		refused := errors.Is(err, publisher.ErrSpent) || errors.Is(err, publisher.ErrNotFound)
		// Others who place the same order spend for the same use.
		if o, again := s.takeBack(ctx, d, d.order.ExternalID != "" && (i > 0 || !refused)); again == nil {
			return o, nil
		}
		switch {
		case errors.Is(err, publisher.ErrSpent):
			return store.Order{}, refuse(voucherField(d.content, i), "has been used")
		case refused:
			return store.Order{}, refuse(voucherField(d.content, i), "does not pay for this coupon, or not at this time")
		}
		return store.Order{}, fmt.Errorf("spend voucher: %w", err)
	}
	var payments []store.Payment
	if d.payment != nil {
		p := *d.payment
		p.Orders, p.UpdatedAt = []int64{d.order.ID}, d.order.UpdatedAt
		if p.Status == store.PaymentAuthorized {
			p.Status = store.PaymentCapturing
		}
		p.UserID = cmp.Or(p.UserID, d.order.UserID)
		payments = append(payments, p)
		if err := s.queue(ctx, p.ID); err != nil {
			_, _ = s.takeBack(ctx, d, d.order.ExternalID != "" && len(d.vouchers) > 0)
			return store.Order{}, err
		}
	}
	err := s.c.Store.CommitOrders(bounded, []store.Order{d.order}, payments)
	switch {
	case err == nil:
		if d.order.ExternalID != "" && (len(d.vouchers) > 0 || d.payment != nil) {
			// Somebody who gave the same order up may have taken the delivery along.
			if err := s.putWork(ctx, d.order, d.vouchers); err != nil {
				s.c.Logger.WarnContext(ctx, "the delivery of an order may be missing", "order", d.order.ID, "err", err)
			}
		}
		d.order.Version = 1
		s.observe(ctx, Step{OrderID: d.order.ID, PaymentID: d.order.PaymentID, ClientID: d.order.ClientID, To: string(d.order.Status)})
		return d.order, nil
	case errors.Is(err, store.ErrConflict):
		return s.overtaken(ctx, d)
	}
	// Nobody knows whether it was stored.
	if o, again := s.takeBack(ctx, d, true); again == nil {
		return o, nil
	}
	return store.Order{}, fmt.Errorf("store order: %w", err)
}

// overtaken says why the order could not be stored: another has its ExternalID, its
// ID or its payment.
func (s *Service) overtaken(ctx context.Context, d draft) (store.Order, error) {
	if d.order.ExternalID != "" {
		o, err := s.c.Store.OrderByExternalID(ctx, d.order.ClientID, d.order.ExternalID)
		switch {
		case err == nil && o.ID == d.order.ID:
			return o, nil
		case err == nil: // with another body, so that none with this one ever will be stored
			_, _ = s.takeBack(ctx, d, false)
			return store.Order{}, ErrRepeated
		case !errors.Is(err, store.ErrNotFound):
			return store.Order{}, fmt.Errorf("look up order: %w", err)
		}
	}
	o, err := s.c.Store.Order(ctx, d.order.ID)
	switch {
	case err == nil && len(o.Data) == 0:
		if err := s.release(ctx, d.vouchers); err != nil {
			return store.Order{}, err
		}
		return store.Order{}, errVoid
	case err == nil:
		return o, nil
	case errors.Is(err, store.ErrNotFound):
		return store.Order{}, errMoved
	}
	return store.Order{}, fmt.Errorf("look up order: %w", err)
}

// voucherField names the line of the nth voucher.
func voucherField(c Content, nth int) string {
	for i, l := range c.Lines {
		if l.VoucherCode == "" {
			continue
		}
		if nth--; nth < 0 {
			return fmt.Sprintf("orderLines[%d].voucherCode", i)
		}
	}
	return "orderLines"
}

// takeBack takes back what a placing has done. With void its ID is taken first: when
// nobody knows whether the order was stored, or others may be placing it at this
// time, so that what is given back is no order's. It returns the order if it is
// stored after all, and an error otherwise. What it can not take back is left to the
// delivery.
func (s *Service) takeBack(ctx context.Context, d draft, void bool) (store.Order, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	if void {
		o, err := s.void(ctx, d.order)
		if err == nil && o.ID != 0 {
			return o, nil
		}
		if err != nil && !errors.Is(err, errVoid) {
			return store.Order{}, err
		}
	}
	err := s.release(ctx, d.vouchers)
	if err == nil && d.order.ExternalID == "" { // else the delivery is that of all who place it
		err = s.c.Store.FinishDelivery(ctx, store.OrderWork, orderKey(d.order.ID))
	}
	if err != nil {
		s.c.Logger.WarnContext(ctx, "what an order that was not placed has used is to be given back later", "order", d.order.ID, "err", err)
	}
	return store.Order{}, errVoid
}

// void takes the ID of an order that was not placed, so that nobody who is still at
// it can place it. It returns the order when it was placed after all, and errVoid
// when the ID was taken so before.
func (s *Service) void(ctx context.Context, o store.Order) (store.Order, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	err := s.c.Store.CommitOrders(ctx, []store.Order{{
		ID: o.ID, PartnerID: o.PartnerID, ClientID: o.ClientID, Status: store.OrderFailed, OrderedAt: now, CreatedAt: now, UpdatedAt: now,
	}}, nil)
	if err == nil {
		return store.Order{}, nil
	}
	if !errors.Is(err, store.ErrConflict) {
		return store.Order{}, fmt.Errorf("give up order: %w", err)
	}
	stored, err := s.c.Store.Order(ctx, o.ID)
	switch {
	case err != nil:
		return store.Order{}, fmt.Errorf("look up order: %w", err)
	case len(stored.Data) == 0:
		return store.Order{}, errVoid
	}
	return stored, nil
}

// release makes the vouchers good again that were spent on these uses.
func (s *Service) release(ctx context.Context, vouchers []publisher.VoucherUse) error {
	var errs []error
	for _, v := range vouchers {
		if err := s.c.Publishers.Catalogue(v.PartnerID).ReleaseVoucher(ctx, v); err != nil {
			errs = append(errs, fmt.Errorf("release voucher: %w", err))
		}
	}
	return errors.Join(errs...)
}

// advance takes an order that was just placed as far as it gets at once. What fails
// here is done later, by its deliveries.
func (s *Service) advance(ctx context.Context, o store.Order) (Order, error) {
	bounded, cancel := context.WithTimeout(ctx, waitIn(ctx, handOverWithin))
	defer cancel()
	switch {
	case o.Status == store.OrderPaid:
		_ = s.handOver(bounded, o.ID) // it has logged why not
	case o.PaymentID != "":
		if _, err := s.Settle(bounded, o.PaymentID); err != nil {
			s.c.Logger.WarnContext(ctx, "the payment of an order is to be taken later", "order", o.ID, "payment", o.PaymentID, "err", err)
		}
	default:
		return open(o)
	}
	if now, err := s.c.Store.Order(ctx, o.ID); err == nil {
		o = now
	}
	return open(o)
}

// observe tells the observer of a step that has been stored.
func (s *Service) observe(ctx context.Context, step Step) {
	if s.c.Observer != nil {
		s.c.Observer(ctx, step)
	}
}
