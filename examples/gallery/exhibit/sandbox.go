package exhibit

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/handlers/pay"
)

// SandboxCase is a page of the payment sandbox. It has a look of its own, as a
// provider's page has, so it is none of the theme's states.
type SandboxCase struct {
	Name  string
	About string
	Src   string // its address
}

// counter is a sandbox whose payments have all come to where they are shown.
type counter struct {
	box   *sandbox.Provider
	pages http.Handler
	cases map[string][]SandboxCase // by language
}

func newCounter() (*counter, error) {
	box, err := sandbox.New(sandbox.Config{
		URL: "http://gallery.example/sandbox", Shops: map[string]string{"fjord": "Fjordposten"}, OpenFor: 365 * 24 * time.Hour, Slow: 300 * 24 * time.Hour,
	})
	if err != nil {
		return nil, err
	}
	pages, err := pay.NewSandbox(pay.SandboxConfig{Provider: box})
	if err != nil {
		return nil, err
	}
	c := &counter{box: box, pages: pages, cases: map[string][]SandboxCase{}}
	for _, lang := range Langs() {
		for i, s := range []struct {
			name, about string
			card        sandbox.Outcome
			event       sandbox.EventName // after the card
			flow        order.PaymentFlow
			query       string
		}{
			{"card", "the card page", "", "", order.Redirect, ""},
			{"filled", "with a test card", "", "", order.Redirect, "?card=approved"},
			{"faults", "a fault at every field", "", "", order.Redirect, "?faults"},
			{"frame", "as a seamless view", "", "", order.Seamless, ""},
			{"confirm", "3-D Secure", sandbox.Challenge, "", order.Redirect, ""},
			{"wait", "the bank does not answer", sandbox.NoAnswer, "", order.Redirect, ""},
			{"paid", "the payer comes back with the back button", sandbox.Approved, "", order.Redirect, ""},
			{"stays", "the payer is left here on purpose", sandbox.NeverReturns, "", order.Redirect, ""},
			{"declined", "declined", sandbox.Declined, "", order.Redirect, ""},
			{"funds", "not enough money", sandbox.InsufficientFunds, "", order.Redirect, ""},
			{"unconfirmed", "not confirmed at the bank", sandbox.Challenge, sandbox.Reject, order.Redirect, ""},
			{"cancelled", "cancelled", "", sandbox.GiveUp, order.Redirect, ""},
		} {
			page, err := c.begin(fmt.Sprintf("%s%d", lang, i), lang, s.flow)
			if err == nil && s.card != "" {
				err = c.post(page, sandbox.Event{Name: sandbox.Pay, Card: sandbox.Card{Number: numberOf(s.card), Expiry: time.Now().Format("01/06"), CVC: "123"}})
			}
			if err == nil && s.event != "" {
				err = c.post(page, sandbox.Event{Name: s.event})
			}
			if err != nil {
				return nil, fmt.Errorf("sandbox case %s: %w", s.name, err)
			}
			c.cases[lang] = append(c.cases[lang], SandboxCase{"sandbox-" + s.name, s.about, "/sandbox/" + page + s.query})
		}
		c.cases[lang] = append(c.cases[lang], SandboxCase{"sandbox-unknown", "no such payment", "/sandbox/unknown"})
	}
	return c, nil
}

func numberOf(o sandbox.Outcome) string {
	for _, c := range sandbox.Cards() {
		if c.Outcome == o {
			return c.Number
		}
	}
	return ""
}

func (c *counter) begin(id, lang string, flow order.PaymentFlow) (page string, err error) {
	started, err := c.box.Start(context.Background(), order.Start{
		ID: id, Key: id, MerchantID: "fjord", Method: order.CreditCardPayEx, Flow: flow, Amount: 129900, VATAmount: 25980, Currency: "NOK",
		Recurring: true, Renewal: order.Renewal{Price: 34900}, Description: "Fjordposten komplett", Lang: lang,
		Lines:     []order.StartLine{{Name: "Fjordposten", Quantity: 1, Amount: 124900}, {Name: "Porto", Quantity: 2, Amount: 5000}},
		ReturnURL: "https://fjord.example/", TermsURL: "https://fjord.example/terms", Origins: []string{"https://fjord.example"},
	})
	return strings.TrimPrefix(started.RedirectURL+started.View.URL, c.box.URL()+"/"), err
}

func (c *counter) post(page string, e sandbox.Event) error {
	v, err := c.box.Page(context.Background(), page)
	if err != nil {
		return err
	}
	e.FormToken = v.FormToken
	_, err = c.box.Post(context.Background(), page, e)
	return err
}

// ServeHTTP shows the pages, and lets the gallery frame them.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == "faults" { // what an empty form is answered with
		post, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.URL.Path, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if v, err := c.box.Page(r.Context(), strings.TrimPrefix(r.URL.Path, "/sandbox/")); err == nil {
			post.PostForm = url.Values{"token": {v.FormToken}, "event": {"pay"}, "number": {"4111 1111 1111 1112"}, "expiry": {"13"}}
			post.Form = post.PostForm
		}
		post.Body = http.NoBody
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r = post
	}
	c.pages.ServeHTTP(&framed{w}, r)
}

// framed is an answer that the gallery may frame.
type framed struct{ http.ResponseWriter }

func (f *framed) WriteHeader(status int) {
	h := f.Header()
	h.Del("X-Frame-Options")
	policy := h.Get("Content-Security-Policy")
	for _, ancestors := range []string{"'none'", "https://fjord.example"} {
		policy = strings.Replace(policy, "frame-ancestors "+ancestors, "frame-ancestors 'self'", 1)
	}
	h.Set("Content-Security-Policy", policy)
	f.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (f *framed) Unwrap() http.ResponseWriter { return f.ResponseWriter }
