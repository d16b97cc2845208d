package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// Callbacks is how the changes of a payment are told to its callback address.
type Callbacks string

// The ways to tell.
const (
	CallAtOnce Callbacks = ""
	CallLate   Callbacks = "late" // after [Config].Late
	CallTwice  Callbacks = "twice"
	CallNever  Callbacks = "never"
)

// signatureHeader carries the time of a call and its signature.
const signatureHeader = "Sandbox-Signature"

// maxSkew is how old a call may be, and how far ahead.
const maxSkew = 5 * time.Minute

// maxTries is how often a call is made to an address that fails: over some two minutes.
const maxTries = 8

// call is a call to a callback address that is to be made.
type call struct {
	Nr    int
	At    time.Time
	Tries int `json:",omitempty"`
}

// notice is the body of a call.
type notice struct {
	PaymentID string      `json:"paymentId"`
	State     order.State `json:"state"`
}

// tell has the callback address called about a change that happened at.
func (q *payment) tell(p *Provider, at time.Time) {
	if p.c.Deliver == nil || q.CallbackURL == "" || q.Callbacks == CallNever {
		return
	}
	if q.Callbacks == CallLate {
		at = at.Add(p.c.Late)
	}
	q.Called++
	q.Calls = append(q.Calls, call{Nr: q.Called, At: at.UTC()})
	if q.Callbacks == CallTwice {
		q.Called++
		q.Calls = append(q.Calls, call{Nr: q.Called, At: at.UTC()})
	}
}

// Callback implements [order.Provider].
func (p *Provider) Callback(ctx context.Context, c order.Callback) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	values := c.Header[signatureHeader]
	if c.HTTPMethod != "POST" || len(values) != 1 {
		return "", fmt.Errorf("%w: %s with %d signatures", order.ErrForged, c.HTTPMethod, len(values))
	}
	at, proof, _ := strings.Cut(values[0], ".")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !p.proves(proof, "callback", at, c.URL, string(c.Body)) {
		return "", fmt.Errorf("%w: its signature is wrong", order.ErrForged)
	}
	if age := time.Since(time.Unix(seconds, 0)); age > maxSkew || age < -maxSkew {
		return "", fmt.Errorf("%w: it is %s old", order.ErrForged, age)
	}
	var n notice
	if err := json.Unmarshal(c.Body, &n); err != nil || !isID(n.PaymentID) || c.PaymentID != "" && c.PaymentID != n.PaymentID {
		return "", fmt.Errorf("%w: it is about another payment", order.ErrForged)
	}
	return n.PaymentID, nil
}

// mac is over the parts, each with its length.
func (p *Provider) mac(parts ...string) string {
	h := hmac.New(sha256.New, p.key)
	for _, s := range parts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (p *Provider) proves(proof string, parts ...string) bool {
	return hmac.Equal([]byte(proof), []byte(p.mac(parts...)))
}

// Run makes the calls to callback addresses, each at its time, until the context
// ends. One process runs it once.
func (p *Provider) Run(ctx context.Context) {
	for ctx.Err() == nil {
		p.Work(ctx)
		wait := time.Hour
		if next := p.due(); !next.IsZero() {
			wait = min(wait, max(0, time.Until(next)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// nudge wakes Run.
func (p *Provider) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// due is when there is something to do for Run; zero for never.
func (p *Provider) due() (first time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sooner := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, q := range p.payments {
		sooner(q.next())
		for _, c := range q.Calls {
			sooner(c.At)
		}
	}
	return first
}

// Work makes the calls that are due, once over, and returns how many were taken.
func (p *Provider) Work(ctx context.Context) int {
	type job struct {
		page     string
		nr       int
		proof    string
		callback order.Callback
	}
	var jobs []job
	now := time.Now()
	p.mu.Lock()
	for page, q := range p.payments {
		if at := q.next(); !at.IsZero() && !at.After(now) {
			changed, err := p.change(q, now, nil)
			if err != nil {
				p.c.Logger.ErrorContext(ctx, "sandbox: payment not changed", "payment", q.ID, "err", err)
				continue
			}
			q = changed
		}
		for _, c := range q.Calls {
			if !c.At.After(now) {
				jobs = append(jobs, job{page, c.Nr, path.Base(q.CallbackURL), p.callback(q, now)})
			}
		}
	}
	p.mu.Unlock()
	slices.SortFunc(jobs, func(a, b job) int { return a.nr - b.nr })
	taken := 0
	for _, j := range jobs {
		if ctx.Err() != nil {
			break
		}
		err := p.deliver(ctx, j.proof, j.callback)
		if err != nil {
			p.c.Logger.WarnContext(ctx, "sandbox: callback not taken", "payment", j.callback.PaymentID, "err", err)
		} else {
			taken++
		}
		ok := err == nil
		p.mu.Lock()
		if q := p.payments[j.page]; q != nil {
			_, err := p.change(q, time.Now(), func(q *payment, now time.Time) error { q.called(j.nr, ok, now); return nil })
			if err != nil {
				p.c.Logger.ErrorContext(ctx, "sandbox: callback not noted", "payment", q.ID, "err", err)
			}
		}
		p.mu.Unlock()
	}
	return taken
}

// called notes that a call was made: one that was not taken is made again later.
func (q *payment) called(nr int, taken bool, now time.Time) {
	i := slices.IndexFunc(q.Calls, func(c call) bool { return c.Nr == nr })
	if i < 0 {
		return
	}
	c := &q.Calls[i]
	if c.Tries++; taken || c.Tries >= maxTries {
		q.Calls = slices.Delete(q.Calls, i, i+1)
		if len(q.Calls) == 0 {
			q.Calls = nil
		}
		return
	}
	c.At = now.Add(time.Second << (c.Tries - 1)).UTC()
}

func (p *Provider) deliver(ctx context.Context, proof string, c order.Callback) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return p.c.Deliver(ctx, proof, c)
}

// callback is the call about the payment, signed.
func (p *Provider) callback(q *payment, now time.Time) order.Callback {
	body, err := json.Marshal(notice{q.ID, q.State})
	if err != nil {
		panic(err) // two strings
	}
	at := strconv.FormatInt(now.Unix(), 10)
	return order.Callback{
		MerchantID: q.MerchantID, Method: q.Method, PaymentID: q.ID, HTTPMethod: "POST", URL: q.CallbackURL,
		Header: map[string][]string{
			"Content-Type":  {"application/json"},
			signatureHeader: {at + "." + p.mac("callback", at, q.CallbackURL, string(body))},
		},
		Body: body, Address: netip.AddrFrom4([4]byte{127, 0, 0, 1}), At: now,
	}
}
