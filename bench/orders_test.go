package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// TestSchedules lets two nodes, each with a connection of its own to one SQLite file,
// sell at once what can be sold once, with a bank whose answers get lost and callers
// who leave, and looks whether money, orders and vouchers agree. The schedules of
// flows/order say more of the order of things; these say it of real transactions.
func TestSchedules(t *testing.T) {
	rounds := 50
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("SOAK_ROUNDS: %v", err)
		}
		rounds = n / 10 // with full durability each takes its time
	}
	for seed := range rounds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { sell(t, filepath.Join(dir, "connectid.db"), uint64(seed)) })
		})
	}
}

const (
	paper         = "paper"
	site          = "no.paper"
	scheduledUser = "a11ce0000000000000000000000000a1"
)

// lossyBank is a bank whose answers get lost.
type lossyBank struct {
	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool
	states   map[string]order.State
	starts   map[string]order.Start
	captures map[string]int
}

var errLost = errors.New("the answer is lost")

func (b *lossyBank) do(id string, f func(order.State) (order.State, error)) (order.Standing, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.calm && b.rng.IntN(12) == 0 {
		return order.Standing{}, errLost
	}
	if b.states[id] == "" {
		return order.Standing{}, order.ErrUnknown
	}
	state, err := f(b.states[id])
	b.states[id] = state
	if !b.calm && b.rng.IntN(8) == 0 {
		return order.Standing{}, errLost
	}
	return order.Standing{State: state, Amount: b.starts[id].Amount, Currency: b.starts[id].Currency}, err
}

func (b *lossyBank) Start(_ context.Context, s order.Start) (order.Started, error) {
	b.mu.Lock()
	if b.states[s.ID] == "" {
		b.states[s.ID], b.starts[s.ID] = order.Open, s
	}
	b.mu.Unlock()
	_, err := b.do(s.ID, func(s order.State) (order.State, error) { return s, nil })
	return order.Started{Ref: "till " + s.ID, RedirectURL: "https://till.example/" + s.ID}, err
}

func (b *lossyBank) Standing(_ context.Context, r order.Ref) (order.Standing, error) {
	return b.do(r.ID, func(s order.State) (order.State, error) { return s, nil })
}

func (b *lossyBank) Capture(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return b.do(r.ID, func(s order.State) (order.State, error) {
		if s != order.Authorized && s != order.Captured {
			return s, order.ErrRefused
		}
		if s == order.Authorized {
			b.captures[r.ID]++
		}
		return order.Captured, nil
	})
}

func (b *lossyBank) Cancel(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return b.do(r.ID, func(s order.State) (order.State, error) {
		switch s {
		case order.Open, order.Authorized:
			return order.Released, nil
		case order.Captured, order.Refunded:
			return s, order.ErrRefused
		}
		return s, nil
	})
}

func (b *lossyBank) Refund(_ context.Context, r order.Ref, _ order.Action) (order.Standing, error) {
	return b.do(r.ID, func(s order.State) (order.State, error) {
		if s != order.Captured && s != order.Refunded {
			return s, order.ErrRefused
		}
		return order.Refunded, nil
	})
}

func (b *lossyBank) Callback(context.Context, order.Callback) (string, error) {
	return "", order.ErrForged
}

// payer is what she does at the bank.
func (b *lossyBank) payer(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.states[id] == order.Open {
		b.states[id] = []order.State{order.Authorized, order.Authorized, order.Authorized, order.Cancelled, order.Failed, order.Open}[b.rng.IntN(6)]
	}
}

// takings is a publisher's system that counts.
type takings struct {
	mu    sync.Mutex
	taken map[int64]bool
}

func (d *takings) Take(_ context.Context, h order.HandOver) (order.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken[h.OrderID] = true
	return order.Receipt{}, nil
}

func sell(t *testing.T, file string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ring, err := keys.New([][]byte{[]byte("an odd key of thirty-two bytes..")})
	must(err)
	bank := &lossyBank{rng: rand.New(rand.NewPCG(seed, 1)), states: map[string]order.State{}, starts: map[string]order.Start{}, captures: map[string]int{}}
	desk := &takings{taken: map[int64]bool{}}
	var nodes [2]*order.Service
	var first *sqlitestore.Store
	var seen sync.Map // payments
	for i := range nodes {
		s, err := sqlitestore.Open(ctx, file)
		must(err)
		defer s.Close()
		if i == 0 {
			first = s
			month := store.Period{Length: 1, Unit: store.Months}
			must(s.PutClient(ctx, store.Client{ID: site, PartnerID: paper, Name: "The Paper", Targets: []string{"https://paper.example"}}))
			must(s.PutProduct(ctx, store.Product{PartnerID: paper, Code: "DIGITAL", Description: "The Paper", Currency: "NOK", VATPercent: 2500, VATIncluded: true, Digital: true}))
			must(s.PutCoupon(ctx, store.Coupon{PartnerID: paper, Code: "TOTT", Number: 1, Product: "DIGITAL", Description: "A month", Price: 29900, Currency: "NOK", Period: month}))
			must(s.PutVoucher(ctx, store.Voucher{PartnerID: paper, Code: "GIFT", Coupons: []store.CouponID{{Code: "TOTT", Number: 1}}}))
		}
		systems, err := publisher.New(publisher.Config{Store: s})
		must(err)
		nodes[i], err = order.New(order.Config{
			Store: s, Clients: s, Keys: ring, Publishers: systems, Desks: map[string]order.Desk{paper: desk}, Logger: slog.New(slog.DiscardHandler),
			Merchants:   []order.Merchant{{ID: "main", PartnerID: paper, Default: true, Providers: map[order.Method]order.Provider{order.CreditCardPayEx: bank}}},
			CallbackURL: "https://login.example/callback", ScriptReturnURL: "https://login.example/return",
			Observer: func(_ context.Context, step order.Step) { seen.Store(step.PaymentID, true) },
		})
		must(err)
	}
	client, err := first.Client(ctx, site)
	must(err)
	line := order.Line{SpecType: "coupon", SpecCode: "TOTT", SpecNo: 1}
	free := line
	free.VoucherCode = "GIFT"
	content := func(name string, lines ...order.Line) order.Content {
		return order.Content{Method: order.CreditCardPayEx, ExternalID: name, Lines: lines, Payer: order.Person{LastName: "Nordmann", PostalCode: "0150", Emails: []string{"kari@example.com"}}}
	}
	var orders sync.Map // by ID
	place := func(node *order.Service, ctx context.Context, c order.Content) int64 {
		o, err := node.Place(ctx, order.Placement{Client: &client, Body: store.DigestOf(c.ExternalID), Content: c})
		if err != nil {
			return 0
		}
		orders.Store(o.ID, c.ExternalID)
		return o.ID
	}
	lists := [][]int64{{}, {}, {}}
	for i := range 2 {
		id := place(nodes[0], ctx, content(fmt.Sprint("order ", i), line))
		lists[i], lists[2] = append(lists[i], id), append(lists[2], id)
	}
	var all sync.WaitGroup
	actor := func(f func(ctx context.Context, node *order.Service)) {
		node, patience := nodes[rng.IntN(2)], time.Duration(rng.IntN(4000))*time.Millisecond
		if rng.IntN(3) > 0 {
			patience = time.Minute
		}
		all.Go(func() {
			ctx, leave := context.WithTimeout(ctx, patience)
			defer leave()
			f(ctx, node)
		})
	}
	pay := func(ids []int64) {
		actor(func(ctx context.Context, node *order.Service) {
			for range 3 {
				due, err := node.Pay(ctx, order.Checkout{OrderIDs: ids, UserID: scheduledUser, ReturnURL: "https://login.example/back"})
				if err != nil {
					continue
				}
				bank.payer(due.PaymentID)
				_, _ = node.Settle(ctx, due.PaymentID)
			}
		})
	}
	for range 6 {
		pay(lists[rng.IntN(3)])
	}
	for i := range 4 { // one voucher, two orders, each placed twice
		actor(func(ctx context.Context, node *order.Service) {
			c := content(fmt.Sprint("gift ", i/2), free)
			if i/2 == int(seed)%2 {
				c.Lines = append(c.Lines, line)
			}
			place(node, ctx, c)
		})
	}
	for i := range 2 { // one payment of the script, and two orders that name it, each twice
		actor(func(ctx context.Context, node *order.Service) {
			p, err := node.StartScript(ctx, order.ScriptStart{
				Client: &client, Token: "sign", Attempt: base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes..!")),
				Claims: order.Claims{ClientCode: site, PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Redirect, ProductSpecCode: "TOTT", ProductSpecNo: 1, ExternalReference: "reference", ReturnURL: "https://paper.example/thanks"},
			})
			if err != nil {
				return
			}
			bank.payer(p.ID)
			for n := range 2 {
				c := content(fmt.Sprint("claim ", (i+n)%2), line)
				c.Method, c.PaymentRef = "", p.ID
				place(node, ctx, c)
			}
		})
	}
	for range 2 {
		actor(func(ctx context.Context, node *order.Service) { _, _ = node.Work(ctx) })
	}
	all.Wait()
	bank.mu.Lock()
	bank.calm = true
	bank.mu.Unlock()
	for i := range 80 { // two days and more
		time.Sleep(time.Hour)
		_, err := nodes[i%2].Work(ctx)
		must(err)
	}

	paid := map[int64]int{}
	seen.Range(func(id, _ any) bool {
		if id == "" {
			return true
		}
		p, err := first.Payment(ctx, id.(string))
		must(err)
		captured := p.Status == store.PaymentCaptured
		switch state := bank.states[p.ID]; {
		case captured != (state == order.Captured), state == order.Open, state == order.Authorized:
			t.Errorf("payment %s is %s, and %s at the bank", p.ID, p.Status, state)
		case bank.captures[p.ID] > 1:
			t.Errorf("payment %s was taken %d times", p.ID, bank.captures[p.ID])
		case captured && len(p.Orders) == 0:
			t.Errorf("payment %s is kept for nobody", p.ID)
		}
		for _, o := range p.Orders {
			orders.Store(o, "paid for")
			if captured {
				paid[o]++
			}
		}
		return true
	})
	for id := range bank.states {
		if _, ok := seen.Load(id); !ok {
			t.Errorf("the bank has payment %s, of which nobody knows", id)
		}
	}
	gifts := ""
	orders.Range(func(id, name any) bool {
		o, err := first.Order(ctx, id.(int64))
		must(err)
		switch {
		case o.Status != store.OrderHandedOver && o.Status != store.OrderCancelled && o.Status != store.OrderFailed:
			t.Errorf("order %d, %v, stays %s", o.ID, name, o.Status)
		case (o.Status == store.OrderHandedOver) != desk.taken[o.ID]:
			t.Errorf("order %d, %v, is %s, and the publisher has it: %t", o.ID, name, o.Status, desk.taken[o.ID])
		case o.Status == store.OrderHandedOver && o.Amount > 0 && paid[o.ID] != 1, o.Status != store.OrderHandedOver && paid[o.ID] != 0:
			t.Errorf("order %d, %v, is %s, and was paid for %d times", o.ID, name, o.Status, paid[o.ID])
		}
		if o.Status == store.OrderHandedOver && o.Amount == 0 {
			gifts += fmt.Sprintf("order:%d:0", o.ID)
		}
		return true
	})
	for _, name := range []string{"gift 0", "gift 1"} { // one whose placer left before he was told
		o, err := first.OrderByExternalID(ctx, site, name)
		if _, told := orders.Load(o.ID); err == nil && !told && o.Status == store.OrderHandedOver && o.Amount == 0 {
			gifts += fmt.Sprintf("order:%d:0", o.ID)
		}
	}
	v, err := first.Voucher(ctx, paper, "GIFT")
	must(err)
	if v.SpentBy != gifts {
		t.Errorf("the voucher is spent by %q, and was used by %q", v.SpentBy, gifts)
	}
}
