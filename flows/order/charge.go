package order

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// maxKey bounds the key of a charge.
const maxKey = 100

// chargeID is the ID of the payment of a charge: the same for the same order and
// key, so that a store has it once.
func chargeID(orderID int64, key string) string {
	h := sha256.New()
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], uint64(orderID))
	h.Write([]byte("charge again"))
	h.Write(id[:])
	h.Write([]byte(key))
	return base32.StdEncoding.EncodeToString(h.Sum(nil))[:26]
}

// newOrderID returns a random ID of at most 53 bits, which JavaScript reads exactly.
func newOrderID() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<53-1))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return n.Int64() + 1
}

// ChargeAgain takes money again for an order whose payment was recurring: a new
// order with the content of the first, at its renewal price, paid without the payer.
// key is the caller's own: the same again is the same charge. The order is returned
// as it is then: a provider may take its time, and Run goes on with it. ErrNotFound
// when there is no such order, a *RefusedError when nobody has agreed to be charged
// again.
func (s *Service) ChargeAgain(ctx context.Context, orderID int64, key string) (Order, error) {
	if key == "" || len(key) > maxKey {
		return Order{}, refuse("key", "has to have 1 to %d bytes", maxKey)
	}
	id := chargeID(orderID, key)
	if _, err := s.payment(ctx, id); err == nil {
		return s.charged(ctx, id)
	} else if !errors.Is(err, ErrNotFound) {
		return Order{}, err
	}
	c, d, err := s.newCharge(ctx, orderID, id)
	if err != nil {
		return Order{}, err
	}
	// The deliveries are queued first. That of the payment has the name that it has
	// for whoever else inserts the payment, so it stays when this call is slower.
	orderName := strconv.FormatInt(c.orders[0].ID, 10)
	if err := s.putWork(ctx, c.orders[0], nil); err != nil {
		return Order{}, err
	}
	if err := s.queue(ctx, id); err != nil {
		return Order{}, err
	}
	if err := s.commitChange(ctx, c, d); isConflict(err) {
		if err := s.c.Store.FinishDelivery(ctx, store.OrderWork, orderName); err != nil {
			s.c.Logger.WarnContext(ctx, "a delivery can not be finished", "kind", store.OrderWork, "delivery", orderName, "err", err)
		}
	} else if err != nil {
		return Order{}, err
	}
	return s.charged(ctx, id)
}

// charged settles a charge that is stored, and returns its order.
func (s *Service) charged(ctx context.Context, id string) (Order, error) {
	p, err := s.Settle(ctx, id)
	if err != nil {
		return Order{}, err
	}
	if len(p.Orders) != 1 {
		return Order{}, fmt.Errorf("payment %s is no charge", id)
	}
	o, err := s.c.Store.Order(ctx, p.Orders[0])
	if err != nil {
		return Order{}, fmt.Errorf("find order %d: %w", p.Orders[0], err)
	}
	content, err := decodeContent(o.Data)
	return Order{o, content}, err
}

// newCharge is the order and the payment of a charge, not stored yet.
func (s *Service) newCharge(ctx context.Context, orderID int64, id string) (*change, paymentData, error) {
	fail := func(err error) (*change, paymentData, error) { return nil, paymentData{}, err }
	first, err := s.c.Store.Order(ctx, orderID)
	if errors.Is(err, store.ErrNotFound) {
		return fail(ErrNotFound)
	}
	if err != nil {
		return fail(fmt.Errorf("find order %d: %w", orderID, err))
	}
	content, err := decodeContent(first.Data)
	if err != nil {
		return fail(err)
	}
	if !paid(Order{first, content}) || first.PaymentID == "" {
		return fail(refuse("orderId", "is an order for which nothing was paid"))
	}
	agreed, err := s.payment(ctx, first.PaymentID)
	if err != nil {
		return fail(err)
	}
	provider, err := s.providerOf(agreed)
	if err != nil {
		return fail(err)
	}
	// Of orders that were paid for together some may recur, and others not.
	recurs := content.Recurring || Method(first.Method) == VippsRecurring
	if _, ok := provider.(Charger); !ok || !recurs || !agreed.Recurring || agreed.Status != store.PaymentCaptured {
		return fail(refuse("orderId", "is an order whose payer has not agreed to be charged again"))
	}
	token, err := s.token(ctx, provider, agreed)
	if err != nil {
		return fail(err)
	}
	amount, vat, err := renew(&content)
	if err != nil {
		return fail(err)
	}
	sealed, err := s.c.Keys.Seal(tokenPurpose, agreed.ClientID, []byte(token))
	if err != nil {
		return fail(err)
	}
	now := time.Now()
	content.OrderDate = now
	data, err := encodeContent(content)
	if err != nil {
		return fail(err)
	}
	o := store.Order{
		ID: newOrderID(), PartnerID: first.PartnerID, ClientID: first.ClientID, UserID: first.UserID,
		CustomerNumber: first.CustomerNumber, Method: first.Method, MerchantID: first.MerchantID,
		Amount: amount, Currency: first.Currency, PaymentID: id, Data: data, OrderedAt: now, CreatedAt: now,
	}
	p := store.Payment{
		ID: id, PartnerID: agreed.PartnerID, ClientID: agreed.ClientID, UserID: first.UserID, Orders: []int64{o.ID},
		Method: agreed.Method, MerchantID: agreed.MerchantID, Amount: amount, Currency: first.Currency, Recurring: true, CreatedAt: now,
	}
	var names []string
	for _, l := range content.Lines {
		names = append(names, l.Name)
	}
	client, err := store.SharedClient(ctx, s.c.Clients, first.ClientID)
	if err != nil {
		return fail(fmt.Errorf("find client %s: %w", first.ClientID, err))
	}
	d := paymentData{
		Key: s.c.Keys.ID(), Until: now.Add(chargeWithin), Token: sealed,
		Charge: &Charge{
			ID: p.ID, Key: p.ID + "-charge", MerchantID: p.MerchantID, Method: Method(p.Method), Amount: amount, VATAmount: vat,
			Currency: p.Currency, Description: describe(client.Name, names...), Payer: payerOf(first.UserID, "", content.Payer),
		},
	}
	return newChange(p).to(store.PaymentNew).order(o, store.OrderAwaitingPayment), d, nil
}

// token returns what the payer has agreed to be charged with.
func (s *Service) token(ctx context.Context, provider Provider, agreed store.Payment) (string, error) {
	d, err := readPayment(agreed)
	if err != nil {
		return "", err
	}
	if d.Token != nil {
		token, _, err := s.c.Keys.Open(tokenPurpose, agreed.ClientID, d.Token)
		if err != nil {
			return "", fmt.Errorf("open the token of payment %s: %w", agreed.ID, err)
		}
		return string(token), nil
	}
	// Some providers give it only after the money.
	word, err := s.ask(ctx, provider, agreed, d)
	if err != nil {
		return "", err
	}
	if word.Token == "" {
		return "", refuse("orderId", "is an order whose provider has given nothing to be charged again with")
	}
	return word.Token, nil
}

// charge makes the provider take money without the payer.
func (s *Service) charge(ctx context.Context, provider Provider, p store.Payment, d paymentData) (Charged, error) {
	charger, ok := provider.(Charger)
	if !ok {
		return Charged{}, fmt.Errorf("the provider of merchant %s for %s can not take money again", p.MerchantID, p.Method)
	}
	token, _, err := s.c.Keys.Open(tokenPurpose, p.ClientID, d.Token)
	if err != nil {
		return Charged{}, fmt.Errorf("open the token: %w", err)
	}
	charge := *d.Charge
	charge.Token, charge.CallbackURL = string(token), s.callbackAddress(d.Key, p)
	charged, err := charger.Charge(ctx, charge)
	if err == nil && charged.Ref == "" {
		err = errors.New("the provider gave the charge no name")
	}
	return charged, err
}

// renew makes the content that of a renewal: its lines at what they cost after their
// first period.
func renew(c *Content) (amount, vat int64, err error) {
	var lines []Line
	for _, l := range c.Lines {
		if l.Renewal.Period.Length == 0 {
			continue // it has ended
		}
		if n := int64(max(l.Quantity, 1)); l.Renewal.Price > maxAmount/n {
			return 0, 0, refuse("orderId", "is an order whose renewal is too large")
		}
		l.Price, l.Period = l.Renewal.Price, l.Renewal.Period
		l.VATAmount = vatIn(l.Price, l.VATPercent)
		l.UnitPrice, l.VoucherCode, l.AccessProduct, l.AccessSeconds, l.StartDate = nil, "", "", 0, time.Time{}
		lines = append(lines, l)
		amount += l.Price * int64(max(l.Quantity, 1))
		vat += l.VATAmount * int64(max(l.Quantity, 1))
	}
	if amount < 1 || amount > maxAmount {
		return 0, 0, refuse("orderId", "is an order of which nothing is renewed for money")
	}
	c.Lines, c.Amount, c.ExternalID, c.PaymentRef, c.PaymentInfo = lines, nil, "", "", ""
	c.MarketingCode, c.MarketingNumber = "", 0
	return amount, vat, nil
}
