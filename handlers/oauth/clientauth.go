package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// caller is the client that sent a request.
type caller struct {
	*store.Client      // shared by all who see this call: read only
	proven        bool // by its secret; a public client is not
	basic         bool // the secret came in the Authorization header

	proof     *middleware.Proof // of a key (RFC 9449); nil for none
	resources []string          // that were asked for (RFC 8707)
}

// credentials are what a request says about its client.
type credentials struct {
	ids     []string // the readings of the client id, the likelier first
	secrets []string // the readings of the secret; none was sent when empty
	basic   bool
}

var errClient = fault(InvalidClient, "unknown client, or client authentication failed")

// authenticate finds the client of a request (RFC 6749, section 2.3). An unknown
// client, a disabled one and a wrong secret are answered alike. It also permits
// a public client's own origins to read the answer.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, f form) (*caller, error) {
	cred, err := readCredentials(r, f)
	if err != nil {
		return nil, err
	}
	var c *caller
	for _, id := range cred.ids {
		record, err := store.SharedClient(r.Context(), s.config.Clients, id)
		if err == nil {
			if !record.Disabled {
				c = &caller{Client: record, basic: cred.basic}
			}
			break
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	if c != nil && c.Public {
		s.allowOrigin(w, r, c.Client)
	}
	if len(cred.secrets) == 0 {
		if c == nil || !c.Public {
			return nil, errClient
		}
		return c, nil
	}
	var hashes []string
	if c != nil {
		hashes = c.Secrets
	}
	if err := s.secrets.check(r, cred.ids[0], hashes, cred.secrets); err != nil {
		return nil, err
	}
	c.proven = true
	return c, nil
}

// readCredentials finds client id and secret: in the Authorization header or in
// the body, in both only when they agree, and never in the URL alone.
func readCredentials(r *http.Request, f form) (credentials, error) {
	var cred credentials
	switch headers := r.Header["Authorization"]; len(headers) {
	case 0:
		id, secret := f.get("client_id"), f.get("client_secret")
		if id == "" {
			if f.query.get("client_id") != "" {
				return cred, fault(InvalidClient, "client credentials in the URL are not accepted: send them in the Authorization header or the body")
			}
			return cred, fault(InvalidClient, "missing client authentication")
		}
		if secret == "" && f.query.get("client_secret") != "" {
			return cred, fault(InvalidClient, "a client secret in the URL is not accepted: send it in the Authorization header or the body")
		}
		cred.ids = []string{id}
		if secret != "" {
			cred.secrets = []string{secret}
		}
	case 1:
		id, secret, ok := parseBasic(headers[0])
		if !ok {
			return cred, fault(InvalidClient, "bad Authorization header: want Basic")
		}
		cred.basic = true
		cred.ids, cred.secrets = readings(id), readings(secret)
		for _, p := range []params{f.params, f.query} {
			if !agrees(cred.ids, p.get("client_id")) || !agrees(cred.secrets, p.get("client_secret")) {
				return cred, fault(InvalidRequest, "client credentials differ between the Authorization header and the parameters")
			}
		}
	default:
		return cred, fault(InvalidRequest, "several Authorization headers")
	}
	for _, list := range [...][]string{cred.ids, cred.secrets} {
		for _, v := range list {
			if len(v) > 3*maxSecret { // percent-encoded, each byte takes three
				return cred, errClient
			}
		}
	}
	return cred, nil
}

// agrees reports whether value is absent or one of the readings.
func agrees(readings []string, value string) bool {
	if value == "" {
		return true
	}
	for _, r := range readings {
		if r == value {
			return true
		}
	}
	return false
}

// parseBasic splits the header of RFC 7617. User and password are returned as
// they stand in it.
func parseBasic(header string) (user, password string, ok bool) {
	scheme, encoded, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") || len(encoded) > 10*maxSecret {
		return "", "", false
	}
	var room [128]byte // of most headers
	b, err := base64.StdEncoding.AppendDecode(room[:0], []byte(strings.TrimLeft(encoded, " ")))
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(string(b), ":")
	return user, password, ok && user != ""
}

// readings returns what a part of the Basic header can mean: the form-encoded
// value (RFC 6749, section 2.3.1), and, as many clients do not encode, the value
// as it stands. Nothing means nothing.
func readings(raw string) []string {
	if raw == "" {
		return nil
	}
	if strings.ContainsAny(raw, "%+") {
		if decoded, err := url.QueryUnescape(raw); err == nil && decoded != raw && decoded != "" {
			return []string{decoded, raw}
		}
	}
	return []string{raw}
}

// Limits on wrong client secrets. They stand on the caller's address, so that
// nobody can lock a client out from elsewhere.
const (
	wrongPerClient     = 10 // from one address for one client
	wrongClientWindow  = 15 * time.Minute
	wrongPerAddress    = 100 // from one address for all clients
	wrongAddressWindow = time.Hour
	argonWait          = 2 * time.Second
	maxProven          = 1024
)

// secretChecker compares client secrets.
type secretChecker struct {
	server *Server
	slots  chan struct{} // of running argon2id computations

	mu sync.RWMutex
	// proven holds MACs of argon2id hashes with their right secrets, so that
	// only the first use of such a secret is slow.
	proven map[store.Digest]struct{}
	// checking holds, by the same MACs, what is being compared: closed when done.
	checking map[store.Digest]chan struct{}
	// slow says that a client has an argon2id hash: from then on a failure
	// takes as long for every client, known or not.
	slow bool
}

// check returns nil when one of the secrets has one of the hashes.
func (k *secretChecker) check(r *http.Request, clientID string, hashes, secrets []string) error {
	slow := false
	for _, h := range hashes {
		for _, secret := range secrets {
			if fastMatch(h, secret) {
				return nil
			}
		}
		slow = slow || isSlow(h)
	}
	if len(hashes) == 0 {
		fastMatch("", secrets[0])
	}
	k.mu.RLock()
	was := k.slow
	k.mu.RUnlock()
	ctx := r.Context()
	if slow {
		if k.wasProven(hashes, secrets) {
			return nil
		}
		// A program that starts sends its right secret many times at once: one of
		// them is compared, and what came of that is waited for.
		done, err := k.join(ctx, hashes, secrets)
		if err != nil {
			return err
		}
		defer done()
		if k.wasProven(hashes, secrets) {
			return nil
		}
		if !was {
			k.mu.Lock()
			k.slow = true
			k.mu.Unlock()
		}
	}

	// Counted before the check, given back after it: a burst in parallel gets
	// no more guesses than one after the other.
	giveBack, err := k.count(ctx, k.server.config.AddressKey(r), clientID)
	if err != nil {
		return err
	}
	if !slow && !was {
		return errClient
	}
	hash, secret, err := k.slowCheck(ctx, hashes, secrets)
	if err != nil {
		return err
	}
	if hash == "" {
		return errClient
	}
	k.remember(hash, secret)
	giveBack(context.WithoutCancel(ctx))
	return nil
}

// join waits until nobody compares the same secret, and returns what ends the
// caller's own turn. Who has waited and finds the secret not proven goes on as if
// alone: those that are wrong are counted one by one.
func (k *secretChecker) join(ctx context.Context, hashes, secrets []string) (done func(), err error) {
	i := slices.IndexFunc(hashes, isSlow)
	d := k.mac(hashes[i], secrets[0])
	k.mu.Lock()
	other, busy := k.checking[d]
	own := make(chan struct{})
	if !busy {
		k.checking[d] = own
	}
	k.mu.Unlock()
	if !busy {
		return func() {
			k.mu.Lock()
			delete(k.checking, d)
			k.mu.Unlock()
			close(own)
		}, nil
	}
	select {
	case <-other:
		return func() {}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slowCheck returns the hash and the secret that match, or "".
func (k *secretChecker) slowCheck(ctx context.Context, hashes, secrets []string) (hash, secret string, err error) {
	timer := time.NewTimer(argonWait)
	defer timer.Stop()
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	case <-timer.C:
		return "", "", errors.New("too many client secrets to check")
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
	checked := false
	for _, h := range hashes {
		if !isSlow(h) {
			continue
		}
		for _, s := range secrets {
			ok, err := slowMatch(h, s)
			if err != nil {
				k.server.log.ErrorContext(ctx, "a client secret can not be checked", "err", err)
				continue
			}
			if ok {
				return h, s, nil
			}
			checked = true
		}
	}
	if !checked {
		slowMatch(dummyHash, secrets[0])
	}
	return "", "", nil
}

func (k *secretChecker) mac(hash, secret string) store.Digest {
	return k.server.config.Keys.MAC("proven client secret", hash, secret)
}

func (k *secretChecker) wasProven(hashes, secrets []string) bool {
	for _, h := range hashes {
		if !isSlow(h) {
			continue
		}
		for _, s := range secrets {
			d := k.mac(h, s)
			k.mu.RLock()
			_, ok := k.proven[d]
			k.mu.RUnlock()
			if ok {
				return true
			}
		}
	}
	return false
}

func (k *secretChecker) remember(hash, secret string) {
	d := k.mac(hash, secret)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.proven) >= maxProven {
		clear(k.proven)
	}
	k.proven[d] = struct{}{}
}

// count counts a wrong secret, or one that may be wrong; giveBack undoes it.
func (k *secretChecker) count(ctx context.Context, address, clientID string) (giveBack func(context.Context), err error) {
	counters, ring := k.server.config.Counters, k.server.config.Keys
	// What went over a limit is taken out again, so that the counters say how many
	// were compared.
	back := func(ctx context.Context, key string, window time.Duration) {
		if _, err := counters.Add(context.WithoutCancel(ctx), key, -1, window); err != nil {
			k.server.log.WarnContext(ctx, "a counter could not be given back", "err", err)
		}
	}
	byAddress := "oauth/secret/address/" + ring.MAC("counter", address).String()[:32]
	n, err := counters.Add(ctx, byAddress, 1, wrongAddressWindow)
	if err != nil {
		return nil, err
	}
	if n.N > wrongPerAddress {
		back(ctx, byAddress, wrongAddressWindow)
		return nil, limited(n.ResetAt)
	}
	byClient := "oauth/secret/client/" + ring.MAC("counter", address, clientID).String()[:32]
	n, err = counters.Add(ctx, byClient, 1, wrongClientWindow)
	if err != nil {
		return nil, err
	}
	if n.N > wrongPerClient {
		back(ctx, byAddress, wrongAddressWindow)
		back(ctx, byClient, wrongClientWindow)
		return nil, limited(n.ResetAt)
	}
	return func(ctx context.Context) {
		back(ctx, byAddress, wrongAddressWindow)
		back(ctx, byClient, wrongClientWindow)
	}, nil
}

// limited is the same for a client that is known and one that is not. It is no
// invalid_client, which would have to be 401 (RFC 6749, section 5.2): nothing was
// compared.
func limited(until time.Time) *Error {
	return &Error{
		Code: TemporarilyUnavailable, Status: http.StatusTooManyRequests,
		Description: "too many wrong client secrets from this address",
		RetryAfter:  max(time.Until(until), time.Second),
	}
}
