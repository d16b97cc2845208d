package order_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

var (
	seedFlag  = flag.Uint64("schedule", 0, "run this one of TestSchedules alone, and tell its story")
	firstSeed = flag.Uint64("firstschedule", 1, "the first one of TestSchedules")
)

// schedules is how many TestSchedules runs: SOAK_ROUNDS, or 300.
func schedules(t *testing.T) uint64 {
	if s := os.Getenv("SOAK_ROUNDS"); s != "" {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			t.Fatalf("SOAK_ROUNDS: %v", err)
		}
		return n
	}
	return 300
}

// TestSchedules lets payers, callbacks, the work of two nodes, crashes, faults of the
// store and of the provider meet in every order that chance thinks of, and then looks
// whether money and orders agree. A schedule follows from its seed: a failing one is
// run again by
//
//	go test ./flows/order -run TestSchedules -schedule SEED
func TestSchedules(t *testing.T) {
	if *seedFlag != 0 {
		runSchedule(t, *seedFlag, true)
		return
	}
	for seed := *firstSeed; seed < *firstSeed+schedules(t); seed++ {
		if !runSchedule(t, seed, false) {
			t.Errorf("schedule %d failed: go test ./flows/order -run TestSchedules -schedule %d", seed, seed)
		}
	}
}

func runSchedule(t *testing.T, seed uint64, story bool) bool {
	return t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, story)
			w.play()
			w.judge()
		})
	})
}

// verdict is what becomes of one call to the store or the bank.
type verdict int

const (
	passes      verdict = iota
	failsBefore         // and nothing has happened
	failsAfter          // and it has
	diesBefore          // the node crashes
	diesAfter
	hangs // until the context ends, and then it has happened all the same
)

var (
	errDead  = errors.New("the node is dead")
	errFault = errors.New("a fault")
)

// call is one that waits for the scheduler.
type call struct {
	label string
	next  chan verdict
	bank  bool
}

// world is a schedule: actors whose calls to the store and the bank are let through
// one at a time, in the order that the seed says.
type world struct {
	*shop
	t     *testing.T
	rng   *rand.Rand
	story bool
	calm  bool // no faults, and nobody waits

	mu      sync.Mutex
	waiting []*call
	running int
	nodes   [2]*node

	orders   []int64
	refs     map[string]string // externalReference: the payment that has it
	started  []string          // payments that somebody was told of
	refunded map[string]bool   // by the host
	seen     map[int64]bool    // orders that somebody has tried to store
	named    map[string]int64  // externalOrderId: the order that has it
}

// node is one run of the program. What it does after its crash has no effect.
type node struct {
	w    *world
	name string
	dead bool // under w.mu
	svc  *order.Service
}

type actorKey struct{}

func newWorld(t *testing.T, seed uint64, story bool) *world {
	w := &world{
		shop: newShop(t), t: t, rng: rand.New(rand.NewPCG(seed, 0)), story: story,
		refs: map[string]string{}, refunded: map[string]bool{}, seen: map[int64]bool{}, named: map[string]int64{},
	}
	if err := w.store.PutVoucher(t.Context(), store.Voucher{PartnerID: partner, Code: "GIFT", Coupons: []store.CouponID{{Code: "TOTT", Number: 1}}}); err != nil {
		t.Fatal(err)
	}
	b := w.bank
	b.instant = w.chance(0.25)
	switch {
	case w.chance(0.06):
		b.wrong = true
	case w.chance(0.04):
		b.foreign = true
	case w.chance(0.06):
		b.refuseStart = true
	case w.chance(0.06):
		b.refuseCapture = true
	}
	if w.chance(0.2) {
		b.lateUnknown = time.Duration(w.rng.IntN(5000)) * time.Millisecond
	}
	if w.chance(0.2) {
		b.slowCapture = time.Duration(w.rng.IntN(20_000)) * time.Millisecond
	}
	b.lateToken = w.chance(0.3)
	return w
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) tell(format string, args ...any) {
	if w.story {
		w.t.Logf("%s  %s", time.Now().Format("02 15:04:05.000"), fmt.Sprintf(format, args...))
	}
}

// node returns the i-th node, a new one if that has crashed.
func (w *world) at(i int) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.nodes[i]; n != nil && !n.dead {
		return n
	}
	n := &node{w: w, name: strconv.Itoa(i)}
	n.svc = w.shop.node(&faultyStore{Store: w.shop.store, n: n}, &faultyBank{n})
	w.nodes[i] = n
	return n
}

// await waits until the scheduler lets the call through.
func (n *node) await(ctx context.Context, label string, bank bool) (verdict, error) {
	w := n.w
	w.mu.Lock()
	if n.dead {
		w.mu.Unlock()
		return 0, errDead
	}
	if w.calm {
		w.mu.Unlock()
		return passes, nil
	}
	actor, _ := ctx.Value(actorKey{}).(string)
	c := &call{label: actor + " " + n.name + " " + label, next: make(chan verdict, 1), bank: bank}
	w.waiting = append(w.waiting, c)
	w.mu.Unlock()
	v := <-c.next
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.dead {
		return 0, errDead
	}
	if v == diesBefore || v == diesAfter {
		n.dead = true
	}
	return v, nil
}

// do makes a call, as the scheduler says.
func do[R any](ctx context.Context, n *node, label string, bank bool, work func() (R, error)) (R, error) {
	var none R
	v, err := n.await(ctx, label, bank)
	if err != nil {
		return none, err
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	switch v {
	case failsBefore:
		return none, errFault
	case diesBefore:
		return none, errDead
	}
	r, err := work()
	switch v {
	case failsAfter:
		return none, errFault
	case diesAfter:
		return none, errDead
	case hangs:
		<-ctx.Done()
		return none, ctx.Err()
	}
	return r, err
}

// go_ starts an actor.
func (w *world) actor(name string, f func(ctx context.Context)) {
	w.mu.Lock()
	w.running++
	w.mu.Unlock()
	go func() {
		defer func() {
			w.mu.Lock()
			w.running--
			w.mu.Unlock()
		}()
		f(context.WithValue(context.Background(), actorKey{}, name))
	}()
}

// schedule lets calls through until all actors are done.
func (w *world) schedule() {
	for {
		synctest.Wait() // everybody waits: for the scheduler, or for the clock
		w.mu.Lock()
		if w.running == 0 && len(w.waiting) == 0 {
			w.mu.Unlock()
			return
		}
		if len(w.waiting) == 0 || w.chance(0.05) {
			w.mu.Unlock()
			time.Sleep(time.Duration(1+w.rng.IntN(400)) * time.Millisecond)
			continue
		}
		slices.SortStableFunc(w.waiting, func(a, b *call) int { return cmp.Compare(a.label, b.label) })
		i := w.rng.IntN(len(w.waiting))
		c := w.waiting[i]
		w.waiting = slices.Delete(w.waiting, i, i+1)
		v := w.fate(c)
		w.mu.Unlock()
		if v != passes {
			w.tell("%s: %s", c.label, [...]string{"", "fails before", "fails after", "crash before", "crash after", "hangs"}[v])
		} else {
			w.tell("%s", c.label)
		}
		c.next <- v
	}
}

func (w *world) fate(c *call) verdict {
	switch f := w.rng.Float64(); {
	case f < 0.02:
		return failsBefore
	case f < 0.04:
		return failsAfter
	case f < 0.05:
		return diesBefore
	case f < 0.065:
		return diesAfter
	case f < 0.08 && c.bank:
		return hangs
	case f < 0.12 && c.bank:
		return failsAfter
	}
	return passes
}

// play is the schedule itself, and then what comes when all faults have ended.
func (w *world) play() {
	n := 1 + w.rng.IntN(3)
	for range n {
		o := w.order(func(o *store.Order, c *order.Content) {
			if w.chance(0.2) {
				o.UserID = ""
			}
			if w.chance(0.3) {
				o.MerchantID = "second"
			}
			if n == 1 && w.chance(0.3) {
				o.Method = string(order.VippsRecurring)
				o.MerchantID = "main"
			}
		})
		w.orders = append(w.orders, o.ID)
	}
	for i := range 1 + w.rng.IntN(3) {
		rng := w.fork()
		w.actor(fmt.Sprintf("payer%d", i), func(ctx context.Context) { w.payer(ctx, rng) })
	}
	for i := range w.rng.IntN(3) {
		rng := w.fork()
		w.actor(fmt.Sprintf("script%d", i), func(ctx context.Context) { w.script(ctx, rng, i) })
	}
	for i := range 1 + w.rng.IntN(2) {
		rng := w.fork()
		w.actor(fmt.Sprintf("callback%d", i), func(ctx context.Context) { w.callbacks(ctx, rng) })
	}
	for i := range w.rng.IntN(3) {
		rng := w.fork()
		w.actor(fmt.Sprintf("worker%d", i), func(ctx context.Context) {
			for range 2 + rng.IntN(4) {
				rest(rng, time.Minute)
				w.at(i).svc.Work(ctx)
			}
		})
	}
	for i := range w.rng.IntN(2) {
		rng := w.fork()
		w.actor(fmt.Sprintf("renewer%d", i), func(ctx context.Context) { w.renew(ctx, rng) })
	}
	if w.chance(0.4) {
		for i := range 1 + w.rng.IntN(3) {
			rng := w.fork()
			w.actor(fmt.Sprintf("buyer%d", i), func(ctx context.Context) { w.buyer(ctx, rng, i) })
		}
	}
	if w.chance(0.3) {
		rng := w.fork()
		w.actor("host", func(ctx context.Context) { w.host(ctx, rng) })
	}
	w.schedule()
	// All faults end, and the work runs dry.
	w.mu.Lock()
	w.calm = true
	w.nodes = [2]*node{}
	w.mu.Unlock()
	w.tell("calm")
	w.bank.refuseCapture = false
	for i := range 60 * 24 {
		w.bank.draw(w.rng)
		if _, err := w.at(i % 2).svc.Work(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if w.settled() {
			break
		}
		time.Sleep(20 * time.Minute)
	}
}

// fork returns randomness of an actor's own.
func (w *world) fork() *rand.Rand { return rand.New(rand.NewPCG(w.rng.Uint64(), 1)) }

// rest is a while: mostly short, at times most of it.
func rest(rng *rand.Rand, most time.Duration) {
	switch rng.IntN(4) {
	case 0:
	case 1, 2:
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
	default:
		time.Sleep(time.Duration(rng.Int64N(int64(most))))
	}
}

func (w *world) note(id string) {
	if id == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.started, id) {
		w.started = append(w.started, id)
	}
}

// atBank is what the payer does at the bank's page.
func (w *world) atBank(rng *rand.Rand, id string) {
	rest(rng, 5*time.Minute)
	if rng.IntN(40) == 0 {
		time.Sleep(30 * time.Hour)
	}
	switch rng.IntN(8) {
	case 0:
		w.bank.end(id, order.Cancelled)
	case 1:
		w.bank.end(id, order.Failed)
	case 2: // she never does anything
	default:
		w.bank.pay(id)
	}
	rest(rng, time.Minute)
}

// payer buys, in one tab or several.
func (w *world) payer(ctx context.Context, rng *rand.Rand) {
	for range 1 + rng.IntN(3) {
		c := checkout(w.orders...)
		if len(w.orders) > 1 && rng.IntN(3) == 0 {
			c = checkout(w.orders[rng.IntN(len(w.orders))])
		}
		tabs := 1
		if rng.IntN(3) == 0 {
			tabs = 2 + rng.IntN(2)
		}
		dues := make([]order.Due, tabs)
		var wg sync.WaitGroup
		for i := range dues {
			at := rng.IntN(2)
			tab := context.WithValue(ctx, actorKey{}, fmt.Sprintf("%v.%d", ctx.Value(actorKey{}), i))
			wg.Go(func() { dues[i], _ = w.at(at).svc.Pay(tab, c) })
		}
		wg.Wait()
		for _, due := range dues {
			w.note(due.PaymentID)
		}
		due := dues[rng.IntN(tabs)]
		w.tell("%v is told %+v", ctx.Value(actorKey{}), due)
		if due.RedirectURL == "" {
			rest(rng, time.Minute)
			continue
		}
		if rng.IntN(6) == 0 { // she claims to have paid
			w.at(rng.IntN(2)).svc.Settle(ctx, due.PaymentID)
		}
		w.atBank(rng, strings.TrimPrefix(due.RedirectURL, "https://bank.example/pay/"))
		if rng.IntN(3) > 0 { // her browser comes back
			for range 1 + rng.IntN(2) {
				w.at(rng.IntN(2)).svc.Settle(ctx, due.PaymentID)
			}
		}
	}
}

// script pays with the payment script, and an order names the payment, or none does.
func (w *world) script(ctx context.Context, rng *rand.Rand, nth int) {
	client, err := w.store.Client(ctx, site)
	if err != nil {
		w.t.Error(err)
		return
	}
	reference := fmt.Sprintf("reference %d", nth)
	attempt := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("attempt %08d", nth)))
	ask := order.ScriptStart{
		Client: &client, Token: "sign of " + reference, Attempt: attempt, Lang: "nb",
		Claims: order.Claims{
			ClientCode: site, PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Redirect, ProductSpecCode: "TOTT", ProductSpecNo: 1,
			Recurring: true, ExternalReference: reference, ReturnURL: "https://paper.example/thanks?mcPayRef=forged&status=success",
		},
	}
	var got order.ScriptPayment
	for range 1 + rng.IntN(4) {
		clicks := 1 + rng.IntN(2)
		all := make([]order.ScriptPayment, clicks)
		var wg sync.WaitGroup
		for i := range all {
			at, mine := rng.IntN(2), ask
			if rng.IntN(6) == 0 { // somebody else with the same reference
				mine.Token = "another sign"
			}
			click := context.WithValue(ctx, actorKey{}, fmt.Sprintf("%v.%d", ctx.Value(actorKey{}), i))
			wg.Go(func() {
				p, err := w.at(at).svc.StartScript(click, mine)
				if err == nil {
					w.hold(reference+" is good for", p.ID+" by "+mine.Token)
				}
				all[i] = p
			})
		}
		wg.Wait()
		for _, p := range all {
			if w.note(p.ID); p.RedirectURL != "" {
				got = p
			}
		}
		if got.ID != "" {
			break
		}
		rest(rng, time.Minute)
	}
	if got.ID == "" {
		return
	}
	w.atBank(rng, got.ID)
	if start, _ := w.bank.find(got.ID); rng.IntN(2) == 0 {
		sealed := start.ReturnURL[strings.LastIndexByte(start.ReturnURL, '/')+1:]
		to, err := w.at(rng.IntN(2)).svc.ScriptReturn(ctx, sealed)
		if err == nil && to != "" && (strings.Count(to, "mcPayRef=") != 1 || strings.Count(to, "status=") != 1) {
			w.t.Errorf("the payer is sent to %s", to)
		}
	} else {
		w.at(rng.IntN(2)).svc.ScriptStanding(ctx, site, got.ID, attempt)
	}
	if rng.IntN(3) == 0 { // nobody claims it
		return
	}
	rest(rng, time.Hour)
	for i := range 1 + rng.IntN(2) { // an order, or two that are after the same money
		w.claim(ctx, rng, got.ID, 10*nth+i)
	}
}

// hold notes that a reference was good for a payment: for one, for ever.
func (w *world) hold(reference, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if other, ok := w.refs[reference]; ok && other != id {
		w.t.Errorf("%s has begun %s and %s", reference, other, id)
	}
	w.refs[reference] = id
}

// claim places an order that names the payment, and again when it does not hear of it.
func (w *world) claim(ctx context.Context, rng *rand.Rand, id string, nth int) {
	c := order.Content{ExternalID: fmt.Sprintf("claim %d", nth), PaymentRef: id, Lines: []order.Line{{SpecType: "coupon", SpecCode: "TOTT", SpecNo: 1}}}
	if rng.IntN(4) == 0 {
		c.ExternalID = "" // nothing tells a repetition from another order
	}
	w.place(ctx, rng, c)
}

// buyer places an order with a voucher that another may be after too, and mostly pays
// for the rest of it.
func (w *world) buyer(ctx context.Context, rng *rand.Rand, nth int) {
	rest(rng, time.Minute)
	c := order.Content{Method: order.CreditCardPayEx, ExternalID: fmt.Sprintf("buyer %d", nth/2), Lines: []order.Line{{SpecType: "coupon", SpecCode: "TOTT", SpecNo: 1, VoucherCode: "GIFT"}}}
	switch rng.IntN(4) {
	case 0:
		c.ExternalID = ""
	case 1:
		c.ExternalID = fmt.Sprintf("buyer %d alone", nth)
	}
	if rng.IntN(3) > 0 { // and one that costs money
		c.Lines = append(c.Lines, order.Line{SpecType: "coupon", SpecCode: "TOTT", SpecNo: 1})
	}
	o := w.place(ctx, rng, c)
	if o.ID == 0 || o.Status != store.OrderPreliminary {
		return
	}
	buy := checkout(o.ID)
	buy.UserID = mallory
	due, _ := w.at(rng.IntN(2)).svc.Pay(ctx, buy)
	w.note(due.PaymentID)
	if due.RedirectURL == "" {
		return
	}
	w.atBank(rng, due.PaymentID)
	if rng.IntN(2) == 0 {
		w.at(rng.IntN(2)).svc.Settle(ctx, due.PaymentID)
	}
}

// place places an order at one node or both, until it is told of it or has enough.
func (w *world) place(ctx context.Context, rng *rand.Rand, c order.Content) order.Order {
	client, err := w.store.Client(ctx, site)
	if err != nil {
		w.t.Error(err)
		return order.Order{}
	}
	c.Payer = order.Person{LastName: "Nordmann", PostalCode: "0150", Emails: []string{"kari@example.com"}}
	p := order.Placement{Client: &client, Body: store.DigestOf(fmt.Sprint(c.ExternalID, len(c.Lines))), Content: c}
	for range 1 + rng.IntN(3) {
		tabs := 1 + rng.IntN(2)
		if c.ExternalID == "" {
			tabs = 1
		}
		got := make([]order.Order, tabs)
		var wg sync.WaitGroup
		for i := range got {
			at, mine := rng.IntN(2), context.WithValue(ctx, actorKey{}, fmt.Sprintf("%v.%d", ctx.Value(actorKey{}), i))
			wg.Go(func() {
				o, err := w.at(at).svc.Place(mine, p)
				if w.tell("%v places %q: %d %s %v", mine.Value(actorKey{}), c.ExternalID, o.ID, o.Status, err); err != nil {
					return
				}
				got[i] = o
				if c.ExternalID == "" {
					return
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				if other, ok := w.named[c.ExternalID]; ok && other != o.ID {
					w.t.Errorf("%q is order %d and order %d", c.ExternalID, other, o.ID)
				}
				w.named[c.ExternalID] = o.ID
			})
		}
		wg.Wait()
		for _, o := range got {
			if o.ID != 0 {
				return o
			}
		}
		rest(rng, time.Minute)
	}
	return order.Order{}
}

// callbacks are those of the bank, and of others: late, twice, forged, replayed.
func (w *world) callbacks(ctx context.Context, rng *rand.Rand) {
	for range 3 + rng.IntN(6) {
		rest(rng, 3*time.Minute)
		w.mu.Lock()
		var id string
		if len(w.started) > 0 {
			id = w.started[rng.IntN(len(w.started))]
		}
		w.mu.Unlock()
		start, _ := w.bank.find(id)
		if start.CallbackURL == "" {
			continue
		}
		proof, c := w.called(store.Payment{ID: id}, start)
		forged := rng.IntN(4)
		switch forged {
		case 0:
			proof = strings.Repeat("A", len(proof))
		case 1:
			c.Body = []byte("anything")
		case 2:
			c.Body = []byte("signed by the bank: other")
		}
		for range 1 + rng.IntN(2) {
			err := w.at(rng.IntN(2)).svc.ReadCallback(ctx, proof, c)
			if forged < 3 && err == nil {
				w.t.Errorf("a forged callback (%d) was taken", forged)
			}
		}
	}
}

// renew takes money again, with few keys.
func (w *world) renew(ctx context.Context, rng *rand.Rand) {
	for range 8 {
		rest(rng, 10*time.Minute)
		id, key := w.orders[rng.IntN(len(w.orders))], fmt.Sprint("month ", rng.IntN(2))
		var wg sync.WaitGroup
		for i := range 1 + rng.IntN(2) {
			at, mine := rng.IntN(2), context.WithValue(ctx, actorKey{}, fmt.Sprintf("%v.%d", ctx.Value(actorKey{}), i))
			wg.Go(func() {
				o, err := w.at(at).svc.ChargeAgain(mine, id, key)
				if err != nil {
					return
				}
				if o.ID == id || o.Amount != 34900 {
					w.t.Errorf("a charge for order %d is order %d of %d", id, o.ID, o.Amount)
				}
				w.hold(fmt.Sprintf("charge of order %d for %s", id, key), o.PaymentID)
				w.note(o.PaymentID)
			})
		}
		wg.Wait()
		if rng.IntN(2) == 0 {
			w.bank.draw(rng)
		}
	}
}

// host gives money back with its own hands.
func (w *world) host(ctx context.Context, rng *rand.Rand) {
	rest(rng, 10*time.Minute)
	w.mu.Lock()
	var id string
	if len(w.started) > 0 {
		id = w.started[rng.IntN(len(w.started))]
		w.refunded[id] = true
	}
	w.mu.Unlock()
	if id != "" {
		w.at(rng.IntN(2)).svc.Refund(ctx, id)
	}
}

// all returns what is stored.
func (w *world) all() (orders []store.Order, payments []store.Payment) {
	w.bank.mu.Lock()
	var known []string
	for id := range w.bank.payments {
		known = append(known, id)
	}
	w.bank.mu.Unlock()
	slices.Sort(known)
	for _, id := range known {
		if p, err := w.store.Payment(w.t.Context(), id); err == nil {
			payments = append(payments, p)
		} else {
			w.t.Errorf("the bank has payment %s, which is not stored: %v", id, err)
		}
	}
	ids := slices.Clone(w.orders)
	w.mu.Lock()
	ids = slices.AppendSeq(ids, maps.Keys(w.seen))
	w.mu.Unlock()
	for _, p := range payments {
		ids = append(ids, p.Orders...)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if o, err := w.store.Order(w.t.Context(), id); err == nil {
			orders = append(orders, o)
		}
	}
	return orders, payments
}

// final are the statuses of which nothing more comes.
func final(p store.Payment) bool {
	return slices.Contains(ends, p.Status) && (p.Status != store.PaymentCaptured || len(p.Orders) > 0)
}

func (w *world) settled() bool {
	orders, payments := w.all()
	return w.gift(orders) == "" && !slices.ContainsFunc(payments, func(p store.Payment) bool { return !final(p) }) &&
		!slices.ContainsFunc(orders, func(o store.Order) bool {
			return o.Status == store.OrderPaid || o.Status == store.OrderAwaitingPayment
		})
}

// gift says what is wrong with the voucher: it is spent by the one order that has it,
// or by none.
func (w *world) gift(orders []store.Order) string {
	v, err := w.store.Voucher(w.t.Context(), partner, "GIFT")
	if err != nil {
		return err.Error()
	}
	var by []string
	for _, o := range orders {
		if !strings.Contains(string(o.Data), "GIFT") || o.Status == store.OrderCancelled || o.Status == store.OrderFailed {
			continue
		}
		by = append(by, fmt.Sprintf("order:%d:0", o.ID))
	}
	if got := strings.Join(by, ", "); got != v.SpentBy {
		return fmt.Sprintf("the voucher is spent by %q, and was used by %q", v.SpentBy, got)
	}
	return ""
}

// judge looks whether money and orders agree.
func (w *world) judge() {
	t := w.t
	for _, fault := range slices.Concat(w.bank.faults, w.press.faults) {
		t.Error(fault)
	}
	orders, payments := w.all()
	if fault := w.gift(orders); fault != "" {
		t.Error(fault)
	}
	byID, paidFor := map[int64]store.Order{}, map[int64][]string{}
	for _, o := range orders {
		byID[o.ID] = o
		w.tell("order %d: %s by %s, handed over %d times", o.ID, o.Status, o.PaymentID, w.press.count(o.ID))
	}
	for _, p := range payments {
		a := w.bank.payments[p.ID]
		w.tell("payment %s: %s for %v; %d captures of %d, %d refunded, %s", p.ID, p.Status, p.Orders, a.captures, a.captured, a.refunded, a.state)
		if !final(p) {
			t.Errorf("payment %s stays %s for orders %v", p.ID, p.Status, p.Orders)
		}
		if a.captures > 1 {
			t.Errorf("money for payment %s was taken %d times", p.ID, a.captures)
		}
		if a.state == order.Authorized {
			t.Errorf("money for payment %s, which is %s, stays reserved", p.ID, p.Status)
		}
		if a.state == order.Open && final(p) {
			t.Errorf("payment %s, which is %s, can still be paid", p.ID, p.Status)
		}
		want := int64(0)
		if p.Status == store.PaymentCaptured {
			want = p.Amount
			for _, id := range p.Orders {
				paidFor[id] = append(paidFor[id], p.ID)
			}
		}
		if kept := a.captured - a.refunded; kept != want {
			t.Errorf("payment %s of %d is %s for orders %v, and the bank has %d of it", p.ID, p.Amount, p.Status, p.Orders, kept)
		}
		if w.bank.wrong || w.bank.foreign {
			if p.Status == store.PaymentCaptured {
				t.Errorf("payment %s is captured with another amount", p.ID)
			}
		}
	}
	for _, o := range orders {
		by := paidFor[o.ID]
		taken := w.press.count(o.ID)
		switch o.Status {
		case store.OrderHandedOver:
			// What was handed over stays so when the host gives the money back.
			if len(by) == 0 && w.refunded[o.PaymentID] {
				continue
			}
			if free := o.Amount == 0 && o.PaymentID == "" && len(by) == 0; !free && (len(by) != 1 || by[0] != o.PaymentID) {
				t.Errorf("order %d is handed over, and was paid for by %v", o.ID, by)
			}
			if taken == 0 {
				t.Errorf("order %d is handed over, and nobody has it", o.ID)
			}
		case store.OrderPreliminary, store.OrderCancelled, store.OrderFailed:
			if len(by) > 0 {
				t.Errorf("order %d is %s, and was paid for by %v", o.ID, o.Status, by)
			}
			if taken > 0 && !w.refunded[o.PaymentID] {
				t.Errorf("order %d is %s, and was handed over", o.ID, o.Status)
			}
		default:
			t.Errorf("order %d stays %s", o.ID, o.Status)
		}
	}
	for id, by := range paidFor {
		if _, ok := byID[id]; !ok {
			t.Errorf("order %d, which %v has paid for, is not there", id, by)
		}
	}
	// A reference is used up for ever.
	client, err := w.store.Client(t.Context(), site)
	if err != nil {
		t.Fatal(err)
	}
	for reference := range w.refs {
		reference, ok := strings.CutSuffix(reference, " is good for")
		if !ok {
			continue
		}
		_, err := w.at(0).svc.StartScript(t.Context(), order.ScriptStart{
			Client: &client, Token: "sign of " + reference, Attempt: base64.RawURLEncoding.EncodeToString([]byte("attempt 99999999")),
			Claims: order.Claims{PaymentMethod: order.CreditCardPayEx, PaymentFlow: order.Seamless, ProductSpecCode: "TOTT", ProductSpecNo: 1, ExternalReference: reference},
		})
		if !errors.Is(err, order.ErrRepeated) {
			t.Errorf("%s again: %v, want ErrRepeated", reference, err)
		}
	}
}

// faultyStore is the shop's store as one node reaches it.
type faultyStore struct {
	order.Store
	n *node
}

func (s *faultyStore) CommitOrders(ctx context.Context, orders []store.Order, payments []store.Payment) error {
	var what []string
	for _, o := range orders {
		what = append(what, fmt.Sprintf("order %d %s", o.ID, o.Status))
		s.n.w.mu.Lock()
		s.n.w.seen[o.ID] = true
		s.n.w.mu.Unlock()
	}
	for _, p := range payments {
		what = append(what, fmt.Sprintf("payment %s %s", p.ID, p.Status))
	}
	_, err := do(ctx, s.n, "CommitOrders "+strings.Join(what, ", "), false, func() (struct{}, error) {
		return struct{}{}, s.Store.CommitOrders(ctx, orders, payments)
	})
	return err
}

func (s *faultyStore) Order(ctx context.Context, id int64) (store.Order, error) {
	return do(ctx, s.n, fmt.Sprintf("Order %d", id), false, func() (store.Order, error) { return s.Store.Order(ctx, id) })
}

func (s *faultyStore) OrderByExternalID(ctx context.Context, clientID, externalID string) (store.Order, error) {
	return do(ctx, s.n, "OrderByExternalID "+externalID, false, func() (store.Order, error) {
		return s.Store.OrderByExternalID(ctx, clientID, externalID)
	})
}

func (s *faultyStore) Payment(ctx context.Context, id string) (store.Payment, error) {
	return do(ctx, s.n, "Payment "+id, false, func() (store.Payment, error) { return s.Store.Payment(ctx, id) })
}

func (s *faultyStore) PaymentByReference(ctx context.Context, clientID, reference string) (store.Payment, error) {
	return do(ctx, s.n, "PaymentByReference "+reference, false, func() (store.Payment, error) {
		return s.Store.PaymentByReference(ctx, clientID, reference)
	})
}

func (s *faultyStore) PutDelivery(ctx context.Context, d store.Delivery) error {
	_, err := do(ctx, s.n, fmt.Sprintf("PutDelivery %s %s", d.Kind, d.ID), false, func() (struct{}, error) {
		return struct{}{}, s.Store.PutDelivery(ctx, d)
	})
	return err
}

func (s *faultyStore) ClaimDelivery(ctx context.Context, kind store.DeliveryKind, now, until time.Time) (store.Delivery, error) {
	return do(ctx, s.n, fmt.Sprintf("ClaimDelivery %s", kind), false, func() (store.Delivery, error) {
		return s.Store.ClaimDelivery(ctx, kind, now, until)
	})
}

func (s *faultyStore) RetryDelivery(ctx context.Context, kind store.DeliveryKind, id string, attempts int, due time.Time) error {
	_, err := do(ctx, s.n, fmt.Sprintf("RetryDelivery %s %s", kind, id), false, func() (struct{}, error) {
		return struct{}{}, s.Store.RetryDelivery(ctx, kind, id, attempts, due)
	})
	return err
}

func (s *faultyStore) FinishDelivery(ctx context.Context, kind store.DeliveryKind, id string) error {
	_, err := do(ctx, s.n, fmt.Sprintf("FinishDelivery %s %s", kind, id), false, func() (struct{}, error) {
		return struct{}{}, s.Store.FinishDelivery(ctx, kind, id)
	})
	return err
}

// faultyBank is the bank as one node reaches it.
type faultyBank struct{ n *node }

var _ order.Charger = (*faultyBank)(nil)

func (f *faultyBank) Start(ctx context.Context, s order.Start) (order.Started, error) {
	return do(ctx, f.n, "Start "+s.ID, true, func() (order.Started, error) { return f.n.w.bank.start(s) })
}

func (f *faultyBank) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	return do(ctx, f.n, "Standing "+r.ID, true, func() (order.Standing, error) { return f.n.w.bank.ask(r) })
}

func (f *faultyBank) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return do(ctx, f.n, "Capture "+r.ID, true, func() (order.Standing, error) { return f.n.w.bank.capture(r, a) })
}

func (f *faultyBank) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return do(ctx, f.n, "Cancel "+r.ID, true, func() (order.Standing, error) { return f.n.w.bank.cancel(r, a) })
}

func (f *faultyBank) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return do(ctx, f.n, "Refund "+r.ID, true, func() (order.Standing, error) { return f.n.w.bank.refund(r, a) })
}

func (f *faultyBank) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	return do(ctx, f.n, "Charge "+c.ID, true, func() (order.Charged, error) { return f.n.w.bank.charge(c) })
}

func (f *faultyBank) Callback(ctx context.Context, c order.Callback) (string, error) {
	return do(ctx, f.n, "Callback "+c.PaymentID, true, func() (string, error) { return f.n.w.bank.callback(c) })
}
