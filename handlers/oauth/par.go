package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/store"
)

// The error codes of requests that are not in the query (RFC 9101, section 7, and
// OpenID Connect Core, section 3.1.2.6).
const (
	InvalidRequestURI      = "invalid_request_uri"
	RequestNotSupported    = "request_not_supported"
	RequestURINotSupported = "request_uri_not_supported"
)

const (
	// pushedURN is what a request_uri of ours begins with (RFC 9126, section 2.2).
	pushedURN = "urn:ietf:params:oauth:request_uri:"
	maxPushed = 16 << 10 // bytes of a request that is kept

	// Limits on pushing. A public client is not authenticated, so that what is kept
	// for it counts against the address; another one answers for itself.
	pushesPerAddress = 100
	pushesWindow     = 5 * time.Minute
	pushesPerClient  = 6000
	pushClientWindow = time.Minute
)

// PushedAuthorization returns the pushed authorization request endpoint (RFC 9126).
func (s *Server) PushedAuthorization() http.Handler { return s.handle("par", s.push) }

func (s *Server) push(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	c, err := s.authenticate(w, r, f) // RFC 9126, section 2: as at the token endpoint
	if err != nil {
		return err
	}
	for _, name := range f.repeated {
		if slices.Contains(authorizeParams, name) {
			return fault(InvalidRequest, name+" is repeated")
		}
	}
	q := url.Values{}
	for _, p := range f.params {
		if p.name != "client_secret" && p.value != "" {
			q[p.name] = append(q[p.name], p.value)
		}
	}
	if q.Has("request_uri") { // RFC 9126, section 2.1
		return fault(InvalidRequest, "a pushed request has no request_uri")
	}
	q.Set("client_id", c.ID) // which Basic authentication may have named
	if err := s.prove(w, r, c, "/oauth/par"); err != nil {
		return err
	}
	if err := bindPushed(q, c); err != nil {
		return err
	}
	if _, err := s.parseAuthorize(r.Context(), q, atPush); err != nil {
		if f, ok := errors.AsType[*gui.Fault](err); ok {
			return fault(InvalidRequest, f.Param+" "+f.Reason)
		}
		return err
	}
	data := q.Encode()
	if len(data) > maxPushed {
		return errTooLarge
	}
	if err := s.countPush(r, c); err != nil {
		return err
	}
	if err := s.spend(r.Context(), c); err != nil {
		return err
	}
	token, now := randomToken(), time.Now()
	err = s.config.Tickets.PutTicket(r.Context(), store.Ticket{
		Kind: store.PushedRequest, Hash: store.DigestOf(token), ClientID: c.ID, Data: []byte(data),
		CreatedAt: now, ExpiresAt: now.Add(s.config.PushedLifetime + s.config.RunLifetime),
	})
	if err != nil {
		return fmt.Errorf("put pushed request: %w", err)
	}
	noStore(w)
	w.WriteHeader(http.StatusCreated)
	b := append([]byte(`{"request_uri":"`+pushedURN), token...)
	b = append(b, `","expires_in":`...)
	b = strconv.AppendInt(b, int64(s.config.PushedLifetime/time.Second), 10)
	w.Write(append(b, '}'))
	return nil
}

// bindPushed binds the request to the key of its DPoP proof, as if dpop_jkt named
// it; both have to say the same (RFC 9449, section 10.1).
func bindPushed(q url.Values, c *caller) error {
	if c.proof == nil {
		return nil
	}
	key := c.key()
	thumbprint := base64.RawURLEncoding.EncodeToString(key[:])
	if named := q.Get("dpop_jkt"); named != "" && named != thumbprint {
		return fault(InvalidRequest, "dpop_jkt is not the key of the DPoP proof")
	}
	q.Set("dpop_jkt", thumbprint)
	return nil
}

// countPush refuses a client that pushes too much (RFC 9126, section 2.3).
func (s *Server) countPush(r *http.Request, c *caller) error {
	key, most, window := "oauth/par/client/"+s.config.Keys.MAC("counter", c.ID).String()[:32], pushesPerClient, pushClientWindow
	if !c.proven {
		address := s.config.AddressKey(r)
		key, most, window = "oauth/par/address/"+s.config.Keys.MAC("counter", address).String()[:32], pushesPerAddress, pushesWindow
	}
	n, err := s.config.Counters.Add(r.Context(), key, 1, window)
	if err != nil {
		return fmt.Errorf("count pushed requests: %w", err)
	}
	if n.N > most {
		return &Error{
			Code: TemporarilyUnavailable, Status: http.StatusTooManyRequests,
			Description: "too many pushed requests", RetryAfter: max(time.Until(n.ResetAt), time.Second),
		}
	}
	return nil
}

// door is where an authorization request comes in.
type door int

const (
	atAuthorize door = iota // the authorization endpoint
	atLogin                 // the login that it leads to, for as long as a run lives
	atPush                  // the pushed authorization request endpoint
)

// pushed is a request that was pushed.
type pushed struct {
	hash  store.Digest
	query url.Values
	stale string // why it can not be used any more; "" if it can
}

// findPushed returns the pushed request that the query refers to, nil when it
// refers to none. What else stands in the query does not count (RFC 9101, section
// 5), so that nobody is redirected by a reference that is unknown or of another
// client: that is a [gui.Fault].
func (s *Server) findPushed(ctx context.Context, q url.Values, at door) (*pushed, error) {
	token, ours := strings.CutPrefix(q.Get("request_uri"), pushedURN)
	if !ours || at == atPush {
		return nil, nil
	}
	if q.Get("request") != "" { // RFC 9101, section 5
		return nil, &gui.Fault{Param: "request_uri", Reason: "and request are both given"}
	}
	unknown := &gui.Fault{Param: "request_uri", Reason: "is unknown or has expired"}
	if !isToken(token, 43) {
		return nil, unknown
	}
	t, err := s.config.Tickets.Ticket(ctx, store.PushedRequest, store.DigestOf(token))
	now := time.Now()
	used := errors.Is(err, store.ErrUsed)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unknown
	case err != nil && !used:
		return nil, fmt.Errorf("find pushed request: %w", err)
	case t.ClientID != q.Get("client_id") || !now.Before(t.ExpiresAt): // RFC 9126, section 2.2
		return nil, unknown
	}
	p := &pushed{hash: t.Hash}
	if p.query, err = url.ParseQuery(string(t.Data)); err != nil {
		return nil, fmt.Errorf("read pushed request: %w", err)
	}
	// RFC 9126, section 4. A login that is under way learns it at its end, by a
	// redirect to the client.
	switch {
	case at != atAuthorize:
	case used:
		p.stale = "the pushed request was used before"
	case !now.Before(t.CreatedAt.Add(s.config.PushedLifetime)):
		p.stale = "the pushed request has expired"
	}
	return p, nil
}

// takePushed uses a pushed request up. Of many callers exactly one gets a nil
// error, the others an [Error] (RFC 9126, section 7.3).
func (s *Server) takePushed(ctx context.Context, hash store.Digest, clientID string) error {
	_, err := s.config.Tickets.TakeTicket(ctx, store.PushedRequest, hash, clientID)
	switch {
	case errors.Is(err, store.ErrUsed):
		return fault(InvalidRequestURI, "the pushed request was used before")
	case errors.Is(err, store.ErrNotFound):
		return fault(InvalidRequestURI, "the pushed request has expired")
	case err != nil:
		return fmt.Errorf("take pushed request: %w", err)
	}
	return nil
}
