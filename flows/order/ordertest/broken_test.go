package ordertest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
)

// provider is the sandbox, with the fault that is not nil.
type provider struct {
	*sandbox.Provider
	start    func(*provider, context.Context, order.Start) (order.Started, error)
	standing func(*provider, context.Context, order.Ref) (order.Standing, error)
	capture  func(*provider, context.Context, order.Ref, order.Action) (order.Standing, error)
	cancel   func(*provider, context.Context, order.Ref, order.Action) (order.Standing, error)
	refund   func(*provider, context.Context, order.Ref, order.Action) (order.Standing, error)
	callback func(order.Callback) (string, error)
	charge   func(*provider, context.Context, order.Charge) (order.Charged, error)

	mu    sync.Mutex
	pages map[string]string
}

func (p *provider) Start(ctx context.Context, s order.Start) (order.Started, error) {
	start := (*sandbox.Provider).Start
	if p.start != nil {
		start = func(_ *sandbox.Provider, ctx context.Context, s order.Start) (order.Started, error) {
			return p.start(p, ctx, s)
		}
	}
	got, err := start(p.Provider, ctx, s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[got.Ref] = strings.TrimPrefix(got.RedirectURL, p.URL()+"/")
	return got, err
}

func (p *provider) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	if p.standing != nil {
		return p.standing(p, ctx, r)
	}
	return p.Provider.Standing(ctx, r)
}

func (p *provider) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	if p.capture != nil {
		return p.capture(p, ctx, r, a)
	}
	return p.Provider.Capture(ctx, r, a)
}

func (p *provider) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	if p.cancel != nil {
		return p.cancel(p, ctx, r, a)
	}
	return p.Provider.Cancel(ctx, r, a)
}

func (p *provider) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	if p.refund != nil {
		return p.refund(p, ctx, r, a)
	}
	return p.Provider.Refund(ctx, r, a)
}

func (p *provider) Callback(ctx context.Context, c order.Callback) (string, error) {
	if p.callback != nil {
		return p.callback(c)
	}
	return p.Provider.Callback(ctx, c)
}

func (p *provider) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	if p.charge != nil {
		return p.charge(p, ctx, c)
	}
	return p.Provider.Charge(ctx, c)
}

func (p *provider) post(t testing.TB, r order.Ref, e sandbox.Event) {
	t.Helper()
	p.mu.Lock()
	page := p.pages[r.Provider]
	p.mu.Unlock()
	v, err := p.Page(t.Context(), page)
	if err == nil {
		e.FormToken = v.FormToken
		_, err = p.Post(t.Context(), page, e)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func subjectOf(t testing.TB, p *provider) Subject {
	t.Helper()
	box, err := sandbox.New(sandbox.Config{URL: "https://connectid.example/sandbox"})
	if err != nil {
		t.Fatal(err)
	}
	p.Provider, p.pages = box, map[string]string{}
	return Subject{
		Provider: p, Start: order.Start{Recurring: true},
		Agree: func(_ *testing.T, r order.Ref) {
			p.post(t, r, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: "4111 1111 1111 1111", Expiry: "12/68", CVC: "123"}})
		},
		Decline: func(_ *testing.T, r order.Ref) {
			p.post(t, r, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: "4000 0000 0000 0002", Expiry: "12/68", CVC: "123"}})
		},
		GiveUp: func(_ *testing.T, r order.Ref) { p.post(t, r, sandbox.Event{Name: sandbox.GiveUp}) },
	}
}

// recorder notes that a case failed.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (r *recorder) fail() { r.mu.Lock(); defer r.mu.Unlock(); r.failed = true }

func (r *recorder) Error(...any)          { r.fail() }
func (r *recorder) Errorf(string, ...any) { r.fail() }
func (r *recorder) Fatal(...any)          { r.fail(); runtime.Goexit() }
func (r *recorder) Fatalf(string, ...any) { r.fail(); runtime.Goexit() }
func (r *recorder) Skip(...any)           { runtime.Goexit() }

// broken returns the sentences that the provider breaks.
func broken(t *testing.T, p func() *provider) (sentences []string) {
	t.Helper()
	for _, rule := range rules {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			rule.check(r, &subject{subjectOf(r, p()), t})
		}()
		<-done
		if r.failed {
			sentences = append(sentences, rule.sentence)
		}
	}
	return sentences
}

// The suite is only as good as the faults that it finds.
func TestBrokenProviders(t *testing.T) {
	t.Parallel()
	believe := func(do func(*sandbox.Provider, context.Context, order.Ref, order.Action) (order.Standing, error)) func(*provider, context.Context, order.Ref, order.Action) (order.Standing, error) {
		return func(p *provider, ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
			got, err := do(p.Provider, ctx, r, a)
			if errors.Is(err, order.ErrRefused) {
				return p.Provider.Standing(ctx, r)
			}
			return got, err
		}
	}
	for name, c := range map[string]struct {
		p     func() *provider
		finds string // a rule that it breaks; empty for none at all
	}{
		"sound": {func() *provider { return &provider{} }, ""},
		"a payment for each Start": {func() *provider {
			return &provider{start: func(p *provider, ctx context.Context, s order.Start) (order.Started, error) {
				s.ID, s.Key = rand.Text(), rand.Text()
				return p.Provider.Start(ctx, s)
			}}
		}, "Start again with the same Start returns the payment that has begun"},
		"no address": {func() *provider {
			return &provider{start: func(p *provider, ctx context.Context, s order.Start) (order.Started, error) {
				got, err := p.Provider.Start(ctx, s)
				got.RedirectURL = ""
				return got, err
			}}
		}, "a payment that begins says where the payer goes, or what is shown to her"},
		"an outage is unknown payments": {func() *provider {
			return &provider{standing: func(p *provider, ctx context.Context, r order.Ref) (order.Standing, error) {
				got, err := p.Provider.Standing(ctx, r)
				if errors.Is(err, order.ErrUnknown) {
					err = errors.New("status 404")
				}
				return got, err
			}}
		}, "ErrUnknown: a payment that never began"},
		"major units": {func() *provider {
			return &provider{standing: func(p *provider, ctx context.Context, r order.Ref) (order.Standing, error) {
				got, err := p.Provider.Standing(ctx, r)
				got.Amount /= 100
				return got, err
			}}
		}, "a payer who agrees makes it authorized or captured, with the amount and currency that were asked for"},
		"any capture is right": {func() *provider { return &provider{capture: believe((*sandbox.Provider).Capture)} },
			"another key after a full capture is refused, and nothing happens"},
		"a refusal is an outage": {func() *provider {
			return &provider{capture: func(p *provider, ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
				got, err := p.Provider.Capture(ctx, r, a)
				if errors.Is(err, order.ErrRefused) {
					err = errors.New("status 403")
				}
				return got, err
			}}
		}, "a payment that is open can not be captured"},
		"a key for each capture": {func() *provider {
			return &provider{capture: func(p *provider, ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
				a.Key = rand.Text()
				return p.Provider.Capture(ctx, r, a)
			}}
		}, "the same key again takes nothing more"},
		"any cancel is right": {func() *provider { return &provider{cancel: believe((*sandbox.Provider).Cancel)} },
			"ErrRefused: it is too late to cancel when the money is taken"},
		"open payments are not cancelled": {func() *provider {
			return &provider{cancel: func(p *provider, ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
				if s, err := p.Provider.Standing(ctx, r); err != nil || s.State == order.Open {
					return s, err
				}
				return p.Provider.Cancel(ctx, r, a)
			}}
		}, "Cancel makes an open payment one that can not be paid any more"},
		"any refund is right": {func() *provider { return &provider{refund: believe((*sandbox.Provider).Refund)} },
			"what was not taken is not refunded"},
		"refunds are not made": {func() *provider {
			return &provider{refund: func(p *provider, ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
				return p.Provider.Standing(ctx, r)
			}}
		}, "Refund gives all of the taken money back"},
		"tokens for all": {func() *provider {
			return &provider{standing: func(p *provider, ctx context.Context, r order.Ref) (order.Standing, error) {
				got, err := p.Provider.Standing(ctx, r)
				got.Token = "token"
				return got, err
			}}
		}, "a recurring payment has a token once it has succeeded, any other none"},
		"deaf": {func() *provider {
			return &provider{standing: func(p *provider, ctx context.Context, r order.Ref) (order.Standing, error) {
				return p.Provider.Standing(context.WithoutCancel(ctx), r)
			}}
		}, "the context is obeyed"},
		"credulous": {func() *provider {
			return &provider{callback: func(c order.Callback) (string, error) {
				var n struct{ PaymentID string }
				err := json.Unmarshal(c.Body, &n)
				return n.PaymentID, err
			}}
		}, "ErrForged: a callback that is not the provider's"},
		"a charge for each call": {func() *provider {
			return &provider{charge: func(p *provider, ctx context.Context, c order.Charge) (order.Charged, error) {
				c.ID, c.Key = rand.Text(), rand.Text()
				return p.Provider.Charge(ctx, c)
			}}
		}, "a charge takes money once for a key"},
		"any token": {func() *provider {
			return &provider{charge: func(p *provider, ctx context.Context, c order.Charge) (order.Charged, error) {
				c.Token = strings.TrimPrefix(c.Token, "x")
				return p.Provider.Charge(ctx, c)
			}}
		}, "a charge with a token that is not one takes nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := broken(t, c.p)
			if c.finds == "" && len(got) > 0 || c.finds != "" && !slices.Contains(got, c.finds) {
				t.Errorf("found %q, want %q", got, c.finds)
			}
		})
	}
}
