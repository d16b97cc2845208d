// Package sandbox is a payment provider in process, for development and tests: it
// looks and answers like a real one, and takes nobody's money. Its pages, on which
// a payer types the number of a test card, are in handlers/pay.
//
// A card decides how a payment ends ([Cards]), and with it everything that is hard
// about payments can be seen: a bank that says no, takes its time or never answers,
// a payer who never comes back, a callback that comes late, twice or not at all.
//
// A [Provider] knows its payments by itself: nodes that share a store have one in
// common, so it is for a single process.
package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// Config configures a [Provider].
type Config struct {
	// URL is the address below which its pages are served, such as
	// https://connectid.example/mcpay/sandbox: absolute, without a slash at its end.
	// Required.
	URL string
	// Storage keeps payments over a restart: [File], or one of the host's own.
	// Default: they are forgotten.
	Storage Storage
	// Shops are the names of merchants, as payers know them, by ID. A merchant that
	// is not named is called by its ID.
	Shops map[string]string
	// Sale are the methods whose money is taken at the moment when the payer agrees,
	// as Swish does it. With all others it is reserved, and Capture takes it.
	Sale []order.Method
	// Deliver makes the calls to the callback address, of which proof is the last
	// part: order.Service.ReadCallback does, without a network between. It is called
	// by Run, a few times if it fails. Default: no call is ever made.
	Deliver func(ctx context.Context, proof string, c order.Callback) error
	// OpenFor is how long a payer has time; default 30 minutes.
	OpenFor time.Duration
	// Slow is how long the slow card's bank takes; default 15 seconds.
	Slow time.Duration
	// Late is how late a callback comes that is chosen to be; default 30 seconds.
	Late time.Duration
	// Keep is how long a payment that has ended is known; default 90 days. Of more
	// than Max payments (default 10000) those go first that ended first.
	Keep time.Duration
	Max  int
	// Logger is told of calls that could not be delivered; default slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	var errs []error
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(c.URL, "?#") || strings.HasSuffix(c.URL, "/") {
		errs = append(errs, fmt.Errorf("bad URL %q: want an address such as https://connectid.example/mcpay/sandbox", c.URL))
	}
	for _, d := range []time.Duration{c.OpenFor, c.Slow, c.Late, c.Keep} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("bad duration %s: want a positive one", d))
		}
	}
	if c.Max < 0 {
		errs = append(errs, fmt.Errorf("bad Max %d: want a positive number", c.Max))
	}
	c.OpenFor = cmp.Or(c.OpenFor, 30*time.Minute)
	c.Slow = cmp.Or(c.Slow, 15*time.Second)
	c.Late = cmp.Or(c.Late, 30*time.Second)
	c.Keep = cmp.Or(c.Keep, 90*24*time.Hour)
	c.Max = cmp.Or(c.Max, 10000)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, errors.Join(errs...)
}

// Provider is the sandbox. It is an [order.Charger], and safe for concurrent use.
type Provider struct {
	c    Config
	wake chan struct{} // something is due sooner than Run knows

	mu       sync.Mutex
	key      []byte
	payments map[string]*payment // by page, the key of all that follow
	byID     map[string]*payment
	byRef    map[string]*payment
	byKey    map[string]*payment // by merchant and idempotency key
}

var _ order.Charger = (*Provider)(nil)

// New returns the sandbox with the payments that its storage has, or all that is
// wrong with c.
func New(c Config) (*Provider, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	p := &Provider{
		c: c, wake: make(chan struct{}, 1),
		payments: make(map[string]*payment), byID: make(map[string]*payment),
		byRef: make(map[string]*payment), byKey: make(map[string]*payment),
	}
	if err := p.load(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return p, nil
}

// URL returns [Config].URL.
func (p *Provider) URL() string { return p.c.URL }

// Start implements [order.Provider]. A key that was used for something else is
// refused.
func (p *Provider) Start(ctx context.Context, s order.Start) (order.Started, error) {
	if err := ctx.Err(); err != nil {
		return order.Started{}, err
	}
	if err := checkStart(s); err != nil {
		return order.Started{}, fmt.Errorf("%w: %w", order.ErrRefused, err)
	}
	n := &payment{
		ID: s.ID, Key: s.Key, MerchantID: s.MerchantID, Method: s.Method, Flow: s.Flow,
		Amount: s.Amount, Currency: s.Currency, Recurring: s.Recurring, Renewal: s.Renewal,
		Description: s.Description, Lang: s.Lang, ReturnURL: s.ReturnURL, CallbackURL: s.CallbackURL,
		TermsURL: s.TermsURL, Origins: slices.Clone(s.Origins),
	}
	for _, l := range s.Lines {
		n.Lines = append(n.Lines, line{Name: l.Name, Quantity: l.Quantity, Amount: l.Amount})
	}
	kept, err := p.insert(n, func(now time.Time) { n.Until = now.Add(p.c.OpenFor).UTC() })
	if err != nil {
		return order.Started{}, err
	}
	started := order.Started{Ref: kept.Ref}
	if kept.Flow == order.Seamless {
		started.View = order.View{Kind: order.FrameView, URL: p.c.URL + "/" + kept.Page}
	} else {
		started.RedirectURL = p.c.URL + "/" + kept.Page
	}
	return started, nil
}

// maxText is how long a text may be that a merchant gives; the contract has 40
// characters for the longest.
const maxText = 400

func checkStart(s order.Start) error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(!isID(s.ID), "ID %q: want up to 32 letters and digits", s.ID)
	refuse(s.Key == "" || len(s.Key) > maxText, "no idempotency key, or a long one")
	refuse(s.MerchantID == "" || len(s.MerchantID) > maxText, "no merchant")
	refuse(s.Amount < 1 || s.VATAmount < 0 || s.VATAmount > s.Amount, "amount %d with %d of VAT: want a positive one", s.Amount, s.VATAmount)
	refuse(!isCurrency(s.Currency), "currency %q: want three capital letters", s.Currency)
	refuse(len(s.Description) > maxText, "a description of %d bytes", len(s.Description))
	refuse(len(s.Lines) > 200, "%d lines", len(s.Lines))
	refuse(!isAddress(s.CallbackURL) && s.CallbackURL != "", "callback address %q", s.CallbackURL)
	refuse(!isAddress(s.TermsURL) && s.TermsURL != "", "address of the terms %q", s.TermsURL)
	switch s.Flow {
	case order.Redirect:
		refuse(!isAddress(s.ReturnURL), "return address %q", s.ReturnURL)
	case order.Seamless:
		refuse(len(s.Origins) == 0 || len(s.Origins) > 20, "%d origins: want those of the pages that show the view", len(s.Origins))
		for _, o := range s.Origins {
			refuse(!isOrigin(o), "origin %q: want scheme://host[:port]", o)
		}
	default:
		refuse(true, "flow %q", s.Flow)
	}
	if len(s.Lines) > 0 {
		var sum int64
		for _, l := range s.Lines {
			sum += l.Amount
			refuse(len(l.Name) > maxText, "a name of %d bytes", len(l.Name))
		}
		refuse(sum != s.Amount, "the lines come to %d, the amount is %d", sum, s.Amount)
	}
	return errors.Join(errs...)
}

func isID(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

func isCurrency(s string) bool {
	return len(s) == 3 && !strings.ContainsFunc(s, func(c rune) bool { return c < 'A' || c > 'Z' })
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 4096 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// isOrigin also keeps out what would add to a policy in which it stands.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 300 && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && s == u.Scheme+"://"+u.Host &&
		!strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`;,'"*\<>`, c) })
}

// Standing implements [order.Provider].
func (p *Provider) Standing(ctx context.Context, r order.Ref) (order.Standing, error) {
	return p.act(ctx, r, func(*payment, time.Time) error { return nil })
}

// Capture implements [order.Provider]. It takes all that is reserved, or refuses.
func (p *Provider) Capture(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return p.act(ctx, r, func(q *payment, now time.Time) error {
		return q.once(p, &q.CaptureKey, a, order.Authorized, order.Captured, now)
	})
}

// Cancel implements [order.Provider]. A payment that is Open is Cancelled, one that
// is Authorized is Released. It is about all of the payment, whatever the amount.
func (p *Provider) Cancel(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return p.act(ctx, r, func(q *payment, now time.Time) error {
		a.Amount, a.Currency = q.Amount, q.Currency
		if q.State == order.Open {
			return q.once(p, &q.CancelKey, a, order.Open, order.Cancelled, now)
		}
		return q.once(p, &q.CancelKey, a, order.Authorized, order.Released, now)
	})
}

// Refund implements [order.Provider]. It gives all of it back, or refuses.
func (p *Provider) Refund(ctx context.Context, r order.Ref, a order.Action) (order.Standing, error) {
	return p.act(ctx, r, func(q *payment, now time.Time) error {
		return q.once(p, &q.RefundKey, a, order.Captured, order.Refunded, now)
	})
}

// Charge implements [order.Charger]. A charge whose DueAt is ahead is Open until
// then.
func (p *Provider) Charge(ctx context.Context, c order.Charge) (order.Charged, error) {
	if err := ctx.Err(); err != nil {
		return order.Charged{}, err
	}
	card, err := p.openToken(c.MerchantID, c.Token)
	switch {
	case err != nil:
	case !isID(c.ID) || c.Key == "" || len(c.Key) > maxText:
		err = fmt.Errorf("ID %q, or its key", c.ID)
	case c.Amount < 1 || !isCurrency(c.Currency):
		err = fmt.Errorf("amount %d %q", c.Amount, c.Currency)
	case c.CallbackURL != "" && !isAddress(c.CallbackURL):
		err = fmt.Errorf("callback address %q", c.CallbackURL)
	}
	if err != nil {
		return order.Charged{}, fmt.Errorf("%w: %w", order.ErrRefused, err)
	}
	n := &payment{
		ID: c.ID, Key: c.Key, MerchantID: c.MerchantID, Method: c.Method, Charge: true,
		Amount: c.Amount, Currency: c.Currency, Description: c.Description, CallbackURL: c.CallbackURL,
	}
	kept, err := p.insert(n, func(now time.Time) {
		n.Pending = order.Captured
		if card == RenewalDeclined {
			n.Pending, n.PendingReason = order.Failed, ReasonDeclined
		}
		n.Until = now.UTC()
		if c.DueAt.After(now) {
			n.Until = c.DueAt.UTC()
		}
		n.PendingUntil = n.Until
	})
	if err != nil {
		return order.Charged{}, err
	}
	return order.Charged{Ref: kept.Ref, Standing: p.standing(kept)}, nil
}

// insert keeps n, or returns what its key was used for before.
func (p *Provider) insert(n *payment, begin func(now time.Time)) (*payment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if known := p.byKey[n.MerchantID+"\x00"+n.Key]; known != nil {
		if !known.same(n) {
			return nil, fmt.Errorf("%w: the key was used for another payment", order.ErrRefused)
		}
		return p.change(known, now, nil)
	}
	if p.byID[n.ID] != nil {
		return nil, fmt.Errorf("%w: the ID %s was used before", order.ErrRefused, n.ID)
	}
	dropped, err := p.makeRoom(now)
	if err != nil {
		return nil, err
	}
	n.Page, n.Ref, n.State, n.CreatedAt, n.ChangedAt = rand.Text(), rand.Text(), order.Open, now.UTC(), now.UTC()
	begin(now)
	n.advance(p, now)
	p.index(n)
	if err := p.save(); err != nil {
		p.unindex(n)
		for _, d := range dropped {
			p.index(d)
		}
		return nil, err
	}
	p.nudge()
	return n, nil
}

// act does f to the payment, after what time has done to it, and returns how it
// stands then. When f fails nothing of it is kept.
func (p *Provider) act(ctx context.Context, r order.Ref, f func(*payment, time.Time) error) (order.Standing, error) {
	if err := ctx.Err(); err != nil {
		return order.Standing{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.byID[r.ID]
	if r.Provider != "" {
		if q = p.byRef[r.Provider]; q != nil && r.ID != "" && q.ID != r.ID {
			q = nil
		}
	}
	if q == nil || r.MerchantID != "" && q.MerchantID != r.MerchantID {
		return order.Standing{}, order.ErrUnknown
	}
	q, err := p.change(q, time.Now(), f)
	if err != nil {
		return order.Standing{}, err
	}
	return p.standing(q), nil
}

func (p *Provider) standing(q *payment) order.Standing {
	s := order.Standing{State: q.State, Amount: q.Amount, Currency: q.Currency, Reason: q.Reason}
	if q.Recurring && (q.State == order.Authorized || q.State == order.Captured || q.State == order.Refunded) {
		s.Token = p.token(q)
	}
	return s
}

// A token says by itself what it is, so that it outlives the payment.
func (p *Provider) token(q *payment) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(string(q.Card) + " " + q.ID))
	return text + "." + p.mac("token", q.MerchantID, text)
}

func (p *Provider) openToken(merchantID, token string) (Outcome, error) {
	text, proof, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !p.proves(proof, "token", merchantID, text) {
		return "", errors.New("no such token of this merchant")
	}
	card, _, _ := strings.Cut(string(raw), " ")
	return Outcome(card), nil
}
