package payex_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/payex"
	"github.com/connectid-kit/connectid/internal/payextest"
)

type recorder = httptest.ResponseRecorder

func TestStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		start  order.Start
		config func(*payex.Config)
		want   func(payextest.Order) bool
	}{
		{"redirect", start(), nil, func(o payextest.Order) bool {
			return o.Reference == paymentID && o.Instrument == "CreditCard" && o.Language == "nb-NO" && o.Amount == 19900 && o.VATAmount == 3980 &&
				!o.Recurring && o.URLs.PaymentURL == "" && o.URLs.CancelURL == o.URLs.CompleteURL && o.URLs.HostURLs[0] == "https://connectid.example" &&
				o.URLs.TermsOfServiceURL != "" && o.URLs.LogoURL != "" && o.Payer["payerReference"] == userID && o.Payer["email"] == "" && o.Payer["msisdn"] == ""
		}},
		{"seamless", start(seamless), nil, func(o payextest.Order) bool {
			return o.URLs.PaymentURL == "https://bladet.example/buy" && o.URLs.HostURLs[0] == "https://bladet.example"
		}},
		{"recurring", start(recurring), nil, func(o payextest.Order) bool { return o.Recurring }},
		{"recurring, nobody logged in", start(recurring, func(s *order.Start) { s.Payer = order.Payer{} }), nil, func(o payextest.Order) bool {
			return o.Payer["payerReference"] == paymentID
		}},
		{"a guest", start(func(s *order.Start) { s.Payer = order.Payer{} }), nil, func(o payextest.Order) bool { return o.Payer == nil }},
		{"prefilled", start(), func(c *payex.Config) { c.Prefill = true }, func(o payextest.Order) bool {
			return o.Payer["email"] == "kari@example.no" && o.Payer["msisdn"] == "+4791234567"
		}},
		{"a phone that is too short", start(func(s *order.Start) { s.Payer.Phone = "+4712" }), func(c *payex.Config) { c.Prefill = true }, func(o payextest.Order) bool {
			return o.Payer["msisdn"] == ""
		}},
		{"swish", start(bySwish), nil, func(o payextest.Order) bool { return o.Instrument == "Swish" }},
		{"the whole menu", start(), func(c *payex.Config) { c.WholeMenu = true }, func(o payextest.Order) bool { return o.Instrument == "" }},
		{"the whole menu, recurring", start(recurring), func(c *payex.Config) { c.WholeMenu = true }, func(o payextest.Order) bool { return o.Instrument == "CreditCard" }},
		{"a long description", start(func(s *order.Start) { s.Description = strings.Repeat("å", 60) }), nil, func(o payextest.Order) bool {
			return len([]rune(o.Description)) == 40
		}},
		{"no description", start(func(s *order.Start) { s.Description = " \n" }), nil, func(o payextest.Order) bool { return o.Description == payextest.PayeeName }},
		{"pages without TLS", start(func(s *order.Start) { s.TermsURL, s.LogoURL = "http://a.example", "http://a.example" }), nil, func(o payextest.Order) bool {
			return o.URLs.TermsOfServiceURL == "" && o.URLs.LogoURL == ""
		}},
		{"lines that do not add up", start(func(s *order.Start) { s.Lines[0].Amount = 1 }), nil, func(payextest.Order) bool { return true }},
		{"swedish", start(func(s *order.Start) { s.Lang = "sv" }), nil, func(o payextest.Order) bool { return o.Language == "sv-SE" }},
		{"another language", start(func(s *order.Start) { s.Lang = "is" }), nil, func(o payextest.Order) bool { return o.Language == "en-US" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sim := payextest.New(t)
			c := config(sim)
			if test.config != nil {
				test.config(&c)
			}
			p, err := payex.New(c)
			if err != nil {
				t.Fatal(err)
			}
			started, err := p.Start(t.Context(), test.start)
			if err != nil {
				t.Fatal(err)
			}
			o := sim.Orders()[0]
			if !test.want(o) || started.Ref != o.ID {
				t.Errorf("got %+v of %+v", started, o)
			}
			if view := started.View; test.start.Flow == order.Seamless {
				if view.Kind != order.PayExView || !strings.HasPrefix(view.URL, sim.URL+"/checkout/client/") || started.RedirectURL != "" {
					t.Errorf("got %+v", started)
				}
			} else if !strings.HasPrefix(started.RedirectURL, sim.URL+"/checkout/") || view != (order.View{}) {
				t.Errorf("got %+v", started)
			}
		})
	}
}

// What can't be asked for is refused before anything is asked for.
func TestStartThatIsNone(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	for name, change := range map[string]func(*order.Start){
		"no amount":          func(s *order.Start) { s.Amount = 0 },
		"a negative amount":  func(s *order.Start) { s.Amount = -1 },
		"too much":           func(s *order.Start) { s.Amount = 1 << 60 },
		"more VAT than that": func(s *order.Start) { s.VATAmount = s.Amount + 1 },
		"no currency":        func(s *order.Start) { s.Currency = "" },
		"a small currency":   func(s *order.Start) { s.Currency = "nok" },
		"no ID":              func(s *order.Start) { s.ID = "" },
		"a long ID":          func(s *order.Start) { s.ID += "x" },
		"an ID with a slash": func(s *order.Start) { s.ID = "a/b" },
		"vipps":              func(s *order.Start) { s.Method = order.VippsEcommerce },
		"swish that recurs":  func(s *order.Start) { s.Method, s.Recurring = order.SwishPayEx, true },
		"no way back":        func(s *order.Start) { s.ReturnURL = "" },
		"no flow":            func(s *order.Start) { s.Flow = "" },
		"seamless nowhere":   func(s *order.Start) { s.Flow = order.Seamless },
	} {
		if _, err := p.Start(t.Context(), start(change)); !errors.Is(err, order.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := sim.Calls(payextest.Create); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// A Start whose answer was lost, in any way, is repeated: what it had made can not be
// paid by anybody, and what is returned can be paid once.
func TestStartAgainAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]payextest.Fault{
		"the connection breaks after it":  payextest.Lose,
		"it takes too long":               payextest.Hang(time.Minute),
		"the body takes too long":         payextest.Drip(time.Minute),
		"the connection breaks before it": payextest.Break,
		"500 after it":                    payextest.After(500),
		"502 before it":                   payextest.Before(502),
		"504 after it":                    payextest.After(504),
		"409":                             payextest.Before(409),
		"429":                             payextest.Before(429),
		"401":                             payextest.Before(401),
		"403 of a firewall":               payextest.Before(403),
		"forbidden":                       payextest.Problem(403, "forbidden"),
		"a configuration error":           payextest.Problem(403, "configurationerror"),
		"a system error":                  payextest.Problem(500, "systemerror"),
		"half an answer":                  payextest.Cut,
		"an answer without an end":        payextest.Large,
		"garbage":                         payextest.Body("application/json", "\xff\xfe{"),
		"no object":                       payextest.Body("application/json", `[1]`),
		"nothing":                         payextest.Body("application/json", ``),
		"a page":                          payextest.Body("text/html", `<html>`),
		"no payment order":                payextest.Body("application/json", `{"operations":[]}`),
		"null":                            payextest.Body("application/json", `null`),
		"another amount":                  payextest.Edit(func(o, _ map[string]any) { o["amount"] = 1 }),
		"an amount that is a fraction":    payextest.Edit(func(o, _ map[string]any) { o["amount"] = 19900.5 }),
		"an amount that is text":          payextest.Edit(func(o, _ map[string]any) { o["amount"] = "19900" }),
		"another currency":                payextest.Edit(func(o, _ map[string]any) { o["currency"] = "SEK" }),
		"another operation":               payextest.Edit(func(o, _ map[string]any) { o["operation"] = "Verify" }),
		"paid from the start":             payextest.Edit(func(o, _ map[string]any) { o["status"] = "Paid" }),
		"no id":                           payextest.Edit(func(o, _ map[string]any) { o["id"] = "" }),
		"an id elsewhere":                 payextest.Edit(func(o, _ map[string]any) { o["id"] = "https://evil.example/psp/paymentorders/1" }),
		"an id without a scheme":          payextest.Edit(func(o, _ map[string]any) { o["id"] = "//evil.example/psp/paymentorders/1" }),
		"an id with a backslash":          payextest.Edit(func(o, _ map[string]any) { o["id"] = `/\evil.example` }),
		"a long id":                       payextest.Edit(func(o, _ map[string]any) { o["id"] = "/" + strings.Repeat("a", 1000) }),
		"no operation":                    payextest.Rel("redirect-checkout", nil),
		"a page elsewhere":                payextest.Rel("redirect-checkout", func(m map[string]any) { m["href"] = "https://evil.example/checkout" }),
		"a page of a host that looks so":  payextest.Rel("redirect-checkout", func(m map[string]any) { m["href"] = "https://notpayex.com/checkout" }),
		"a page without TLS":              payextest.Rel("redirect-checkout", func(m map[string]any) { m["href"] = "http://ecom.payex.com/checkout" }),
		"a script for an address":         payextest.Rel("redirect-checkout", func(m map[string]any) { m["href"] = "javascript:alert(1)" }),
		"a page with a user":              payextest.Rel("redirect-checkout", func(m map[string]any) { m["href"] = "https://ecom.payex.com@evil.example/" }),
		"a page that is posted to":        payextest.Rel("redirect-checkout", func(m map[string]any) { m["method"] = "POST" }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, sim *payextest.Server, p *payex.Provider) {
				sim.Fail(payextest.Create, fault)
				s := start()
				if started, err := p.Start(t.Context(), s); !outage(err) {
					t.Fatalf("got %+v, %v, want an error after which it is called again", started, err)
				}
				r, address := begin(t, p, s)
				if _, err := sim.Pay(address); err != nil {
					t.Fatal(err)
				}
				wantState(t, p, r, order.Authorized)
				if _, err := p.Capture(t.Context(), r, action(s, "capture")); err != nil {
					t.Fatal(err)
				}
				if got := sim.Taken(); got != s.Amount {
					t.Errorf("%d were taken, want %d", got, s.Amount)
				}
				for _, o := range sim.Orders() {
					if o.ID != r.Provider && o.Paid > 0 {
						t.Error("the one whose address is lost was paid")
					}
				}
			})
		})
	}
}

func TestStartIsRefused(t *testing.T) {
	t.Parallel()
	for kind, status := range map[string]int{"inputerror": 400, "paymentorders/inputerror": 404, "creditcard/cardbranddisabled": 403, "paymentorders/whatever": 422} {
		sim := payextest.New(t)
		p := newProvider(t, sim)
		sim.Fail(payextest.Create, payextest.Problem(status, kind))
		_, err := p.Start(t.Context(), start())
		if !errors.Is(err, order.ErrRefused) || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

// A payeeReference has its form, is the same for the same call, and another for every
// other.
func TestReferences(t *testing.T) {
	t.Parallel()
	for _, digits := range []bool{false, true} {
		sim := payextest.New(t)
		p := newProvider(t, sim, func(c *payex.Config) { c.DigitReferences = digits })
		seen := map[string]bool{}
		for range 3 { // the second and third are refused at first
			begin(t, p, start())
		}
		begin(t, p, start(func(s *order.Start) { s.ID = "another" }))
		begin(t, p, start(func(s *order.Start) { s.Key = "another" }))
		form := regexp.MustCompile(`^[A-Z0-9]{30}$`)
		if digits {
			form = regexp.MustCompile(`^[0-9]{12}$`)
		}
		for _, o := range sim.Orders() {
			if seen[o.Payee] || !form.MatchString(o.Payee) {
				t.Errorf("bad payeeReference %q", o.Payee)
			}
			seen[o.Payee] = true
		}
		if len(seen) != 5 || sim.Calls(payextest.Create) != 5+1+2 {
			t.Errorf("%d payment orders in %d calls", len(seen), sim.Calls(payextest.Create))
		}
	}
}

// However a used payeeReference is refused, another is tried, and not for ever.
func TestUsedReference(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 409, 422} {
		sim := payextest.New(t)
		sim.DuplicateStatus(status)
		p := newProvider(t, sim)
		for i := range 10 {
			_, err := p.Start(t.Context(), start())
			if want := i >= 8; errors.Is(err, order.ErrRefused) != want || err != nil && !want {
				t.Errorf("%d, %d. time: got %v", status, i+1, err)
			}
		}
	}
}

// Of many callers with one Start each gets one that can be paid; the caller keeps one.
func TestStartAtOnce(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		refs = map[string]bool{}
	)
	for range 4 {
		wg.Go(func() {
			started, err := p.Start(t.Context(), start())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			refs[started.Ref] = true
		})
	}
	wg.Wait()
	if len(refs) != 4 {
		t.Errorf("%d payment orders", len(refs))
	}
}

// A caller waits 10 seconds at most, and no longer than its context.
func TestContextIsObeyed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, sim *payextest.Server, p *payex.Provider) {
		for _, test := range []struct{ within, want time.Duration }{{time.Second, time.Second}, {time.Hour, 10 * time.Second}} {
			sim.Fail(payextest.Create, payextest.Hang(time.Minute))
			ctx, cancel := context.WithTimeout(t.Context(), test.within)
			begun := time.Now()
			if _, err := p.Start(ctx, start()); !outage(err) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begun); took != test.want {
				t.Errorf("took %v, want %v", took, test.want)
			}
			cancel()
		}
	})
}

// Errors are for logs: they show neither token nor addresses.
func TestErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	sim := payextest.New(t)
	p := newProvider(t, sim)
	sim.Fail(payextest.Create, payextest.Break, payextest.Before(500),
		func(w http.ResponseWriter, _ func() *recorder) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"type":"https://api.payex.com/psp/errordetail/inputerror","problems":[{"name":"a\nb","description":"` + strings.Repeat("x", 5000) + `"}]}`))
		})
	for range 3 {
		_, err := p.Start(t.Context(), start())
		if err == nil || strings.Contains(err.Error(), payextest.Token) || strings.Contains(err.Error(), "127.0.0.1") && !strings.Contains(err.Error(), "read tcp") ||
			len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v", err)
		}
	}
}
