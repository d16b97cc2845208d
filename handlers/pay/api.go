package pay

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// maxCall is the largest body of a call of the script: a sign, and little more.
const maxCall = 16 << 10

// attemptBytes are how many random bytes the script's own key has.
const attemptBytes = 16

// call is what the script sends: init has Sign, status has PaymentID.
type call struct {
	ClientCode string `json:"clientCode"`
	Attempt    string `json:"attempt"`
	Sign       string `json:"sign"`
	PaymentID  string `json:"mcPayRef"`
	Lang       string `json:"lang"`
	Page       string `json:"page"` // the address of the page

	client *store.Client
}

// answer is how a payment stands, to the script.
type answer struct {
	PaymentID   string            `json:"mcPayRef"`
	Status      string            `json:"status"` // open, success, cancel or failure
	Flow        order.PaymentFlow `json:"flow,omitempty"`
	RedirectURL string            `json:"redirectUrl,omitempty"`
	View        *order.View       `json:"view,omitempty"`
}

// call reads a call of the script. Cross-origin calls (Fetch standard, "CORS
// protocol") are for pages of the client: the origins of its Targets. No answer
// permits credentials: cookies mean nothing here.
//
// The client is looked up before anything is counted, as it says whom to count
// against, and which page may read the answer.
func (s *Server) call(serve func(*http.Request, call) (order.ScriptPayment, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Add("Vary", "Origin")
		switch r.Method {
		case http.MethodOptions:
			return s.preflight(w, r)
		case http.MethodPost:
		default:
			return notAllowed(w, "OPTIONS, POST")
		}
		in, err := s.read(r)
		if origin := r.Header.Get("Origin"); origin != "" {
			switch allowed, originErr := s.allows(r.Context(), in.client, origin); {
			case originErr != nil:
				return originErr
			case allowed:
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Expose-Headers", "Retry-After, X-Mediaconnect-Api-Version, X-RateLimit-Remaining, X-RateLimit-Reset")
			default:
				err = &Error{Status: http.StatusForbidden, Type: "OriginNotAllowed", Message: "the origin of the page is not among the targets of this client", Code: "origin_not_allowed"}
			}
		}
		ctx := r.Context()
		if limited := count(ctx, h, s.addresses, s.c.Addresses.KeyOf(r)); limited != nil {
			return limited
		}
		if err != nil {
			return err
		}
		ctx = context.WithValue(ctx, clientKey{}, in.client)
		if limited := count(ctx, h, s.clients, in.client.ID); limited != nil {
			return limited
		}
		p, err := serve(r, in)
		if err != nil {
			return err
		}
		return reply(w, r, p)
	}
}

// read reads the body and finds its client. The error is told once the caller may
// read the answer.
func (s *Server) read(r *http.Request) (in call, err error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return in, &Error{Status: http.StatusUnsupportedMediaType, Type: "InvalidRequest", Message: "the body has to be application/json", Code: "invalid_request"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCall+1))
	switch {
	case err != nil:
		return in, badRequest("the body could not be read")
	case len(body) > maxCall:
		return in, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLarge", Message: "the body is too large", Code: "invalid_request"}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return in, badRequest("the body is not the JSON object that was expected")
	}
	if in.ClientCode == "" {
		return in, badRequest("clientCode is missing")
	}
	in.client, err = store.SharedClient(r.Context(), s.c.Clients, in.ClientCode)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && in.client.Disabled:
		in.client = nil
		return in, &Error{Status: http.StatusNotFound, Type: "UnknownClient", Message: "clientCode is not a known client", Code: "unknown_client"}
	case err != nil:
		in.client = nil
		return in, fmt.Errorf("client of a payment: %w", err)
	}
	if key, err := base64.RawURLEncoding.Strict().DecodeString(in.Attempt); err != nil || len(key) != attemptBytes {
		return in, badRequest("attempt is not 128 bits in base64url")
	}
	return in, nil
}

// preflight answers OPTIONS. No client is named in it, so the origin must be one of
// some client that pays by script.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	if err := count(r.Context(), h, s.preflights, s.c.Addresses.KeyOf(r)); err != nil {
		return err
	}
	origin := r.Header.Get("Origin")
	ok, err := s.allows(r.Context(), nil, origin)
	if err != nil {
		return err
	}
	if ok {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allows reports whether pages of the origin may call for the client, and without one
// whether they may for any.
func (s *Server) allows(ctx context.Context, c *store.Client, origin string) (bool, error) {
	// Only the form in which browsers write it can be registered; "null" is not.
	if origin == "" || store.TargetOrigin(origin) != origin {
		return false, nil
	}
	if c != nil {
		return slices.Contains(target.For(c).Origins(), origin), nil
	}
	for c, err := range s.c.Clients.ClientsByOrigin(ctx, origin) {
		if err != nil {
			return false, fmt.Errorf("clients of an origin: %w", err)
		}
		if !c.Disabled && len(c.PaymentSecrets) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// init serves POST init.
func (s *Server) init(r *http.Request, in call) (order.ScriptPayment, error) {
	claims, err := s.c.Payments.VerifySign(r.Context(), in.client, in.Sign)
	if err != nil {
		return order.ScriptPayment{}, err
	}
	p, err := s.c.Payments.StartScript(r.Context(), order.ScriptStart{
		Client: in.client, Claims: claims, Token: in.Sign, Attempt: in.Attempt,
		Lang:      texts.Match(in.Lang, r.Header.Get("Accept-Language"), in.client.Language),
		UserAgent: cut(r.UserAgent(), 256),
		PageURL:   in.Page,
	})
	if err == nil && p.Outcome == order.Waiting && p.RedirectURL == "" && p.View.URL == "" {
		err = errors.New("payment " + p.ID + " has not begun yet") // the script calls again
	}
	return p, err
}

// status serves POST status.
func (s *Server) status(r *http.Request, in call) (order.ScriptPayment, error) {
	if in.PaymentID == "" || len(in.PaymentID) > 64 {
		return order.ScriptPayment{}, badRequest("mcPayRef is missing")
	}
	return s.c.Payments.ScriptStanding(r.Context(), in.client.ID, in.PaymentID, in.Attempt)
}

// cut returns the first n bytes of what a stranger wrote.
func cut(s string, n int) string { return s[:min(n, len(s))] }

func reply(w http.ResponseWriter, r *http.Request, p order.ScriptPayment) error {
	out := answer{PaymentID: p.ID, Flow: p.Flow, RedirectURL: p.RedirectURL, Status: "failure"}
	switch p.Outcome {
	case order.Waiting:
		out.Status = "open"
	case order.Success, order.Cancel:
		out.Status = string(p.Outcome)
	}
	if p.View.URL != "" {
		out.View = &p.View
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	write(w, r, http.StatusOK, "application/json; charset=utf-8", body)
	return nil
}
