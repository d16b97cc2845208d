package signing_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

var (
	kitKey  = bytes.Repeat([]byte("kit key "), 4)
	nextKey = bytes.Repeat([]byte("next key"), 4)
)

const day = 24 * time.Hour

func newRing(tb testing.TB, secrets ...[]byte) *keys.Ring {
	tb.Helper()
	r, err := keys.New(secrets)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func newSigner(tb testing.TB, st store.SigningKeys, change ...func(*signing.Config)) *signing.Signer {
	tb.Helper()
	c := signing.Config{Store: st, Keys: newRing(tb, kitKey), Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	s, err := signing.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func sign(tb testing.TB, s *signing.Signer, alg string) string {
	tb.Helper()
	token, err := s.Sign(tb.Context(), signing.IDToken, alg, map[string]string{"sub": "user"})
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// header returns the protected header of a token.
func header(tb testing.TB, token string) (h struct{ Alg, Kid, Typ string }) {
	tb.Helper()
	first, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(first)
	if err == nil {
		err = json.Unmarshal(b, &h)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func keySet(tb testing.TB, s *signing.Signer) (set jose.JSONWebKeySet, body []byte, etag string) {
	tb.Helper()
	body, etag, err := s.KeySet(tb.Context())
	if err == nil {
		err = json.Unmarshal(body, &set)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return set, body, etag
}

// checks reports whether a client that has the key set believes the token.
func checks(tb testing.TB, set jose.JSONWebKeySet, token string) bool {
	tb.Helper()
	parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		tb.Fatal(err)
	}
	found := set.Key(parsed.Signatures[0].Protected.KeyID)
	if len(found) == 0 {
		return false
	}
	_, err = parsed.Verify(found[0])
	return err == nil
}

func stored(tb testing.TB, st store.SigningKeys) (all []store.SigningKey) {
	tb.Helper()
	for k, err := range st.SigningKeys(tb.Context()) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	_, err := signing.New(signing.Config{Period: time.Hour})
	for _, want := range []string{"missing Store", "missing Keys", "bad Period 1h"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v; want %q in it", err, want)
		}
	}
}

func TestAlg(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{"": "ES256", "ES256": "ES256", "RS256": "RS256"} {
		if got, err := signing.Alg(&store.Client{IDTokenAlg: set}); got != want || err != nil {
			t.Errorf("Alg(%q) = %q, %v", set, got, err)
		}
	}
	for _, bad := range []string{"none", "HS256", "es256", "PS256"} {
		if got, err := signing.Alg(&store.Client{IDTokenAlg: bad}); err == nil || got != "" {
			t.Errorf("Alg(%q) = %q", bad, got)
		}
	}
}

// A token is the compact serialization of RFC 7515 that other libraries check,
// and the same whenever it is signed again.
func TestSign(t *testing.T) {
	t.Parallel()
	s := newSigner(t, memstore.New())
	for _, alg := range signing.Algs() {
		first, again := sign(t, s, alg), sign(t, s, alg)
		if first != again {
			t.Errorf("%s: two signatures of the same differ", alg)
		}
		if h := header(t, first); h.Alg != alg || h.Typ != "JWT" || h.Kid == "" {
			t.Errorf("%s: header %+v", alg, h)
		}
		set, _, _ := keySet(t, s)
		if !checks(t, set, first) {
			t.Errorf("%s: the key set does not check %s", alg, first)
		}
		if got, err := s.Verify(t.Context(), signing.IDToken, first); err != nil || string(got) != `{"sub":"user"}` {
			t.Errorf("%s: Verify = %s, %v", alg, got, err)
		}
	}
	for _, alg := range []string{"", "none", "HS256", "PS256"} {
		if got, err := s.Sign(t.Context(), signing.IDToken, alg, 1); err == nil || got != "" {
			t.Errorf("Sign with %q = %q", alg, got)
		}
		if s.Ready(t.Context(), alg) == nil {
			t.Errorf("Ready(%q)", alg)
		}
	}
	if _, err := s.Sign(t.Context(), signing.IDToken, "ES256", func() {}); err == nil {
		t.Error("claims that are no JSON are signed")
	}
	// Short numbers of a signature are padded (RFC 7518, section 3.4).
	for i := range 2000 {
		token, err := s.SignAt(t.Context(), time.Now(), signing.LogoutToken, "ES256", fmt.Appendf(nil, `{"n":%d}`, i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(t.Context(), signing.LogoutToken, token); err != nil {
			t.Fatalf("signature %d: %v", i, err)
		}
	}
}

// What the kit publishes has no private part, and the store holds none that is
// open.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	s := newSigner(t, st)
	sign(t, s, "ES256")
	sign(t, s, "RS256")
	_, body, etag := keySet(t, s)
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) != 2 || len(etag) < 20 {
		t.Fatalf("%s %s %v", body, etag, err)
	}
	members := map[string]bool{"kty": true, "kid": true, "alg": true, "use": true, "crv": true, "x": true, "y": true, "n": true, "e": true}
	for _, k := range set.Keys {
		for name := range k {
			if !members[name] {
				t.Errorf("the key set has %q", name)
			}
		}
		if k["use"] != "sig" || k["kid"] == "" || k["alg"] == "" {
			t.Errorf("key %v", k)
		}
	}
	for _, r := range stored(t, st) {
		if _, err := x509.ParsePKCS8PrivateKey(r.Private); err == nil {
			t.Error("a private key is stored open")
		}
		var public jose.JSONWebKey
		if err := public.UnmarshalJSON(r.Public); err != nil || !public.IsPublic() || public.KeyID != r.ID {
			t.Errorf("Public %s: %v", r.Public, err)
		}
		der, _, err := newRing(t, kitKey).Open("signing key", r.Alg+" "+r.ID, r.Private)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatal(err)
		}
		switch p := private.(type) {
		case *rsa.PrivateKey:
			if r.Alg != "RS256" || p.N.BitLen() != 2048 {
				t.Errorf("RSA key of %d bits for %s", p.N.BitLen(), r.Alg)
			}
			if bytes.Contains(body, []byte(base64.RawURLEncoding.EncodeToString(p.D.Bytes()))) {
				t.Error("the key set has the private exponent")
			}
		case *ecdsa.PrivateKey:
			if r.Alg != "ES256" || p.Curve.Params().BitSize != 256 {
				t.Errorf("EC key of %d bits for %s", p.Curve.Params().BitSize, r.Alg)
			}
		}
	}
}

// Of nodes that make the first key at once one wins, and all sign with it.
func TestFirstKeyRace(t *testing.T) {
	t.Parallel()
	for range 20 {
		st := &faulty{store: memstore.New(), slow: true}
		const callers = 64
		tokens := make([]string, callers)
		var wg sync.WaitGroup
		nodes := []*signing.Signer{newSigner(t, st), newSigner(t, st), newSigner(t, st), newSigner(t, st)}
		for i := range callers {
			wg.Go(func() { tokens[i], _ = nodes[i%len(nodes)].Sign(t.Context(), signing.IDToken, "ES256", 1) })
		}
		wg.Wait()
		for _, token := range tokens {
			if token == "" || token != tokens[0] {
				t.Fatalf("token %q, want %q", token, tokens[0])
			}
		}
		if all := stored(t, st); len(all) != 1 || all[0].Generation != 1 {
			t.Fatalf("stored %+v", all)
		}
		if n := st.lists.Load(); n > 3*int64(len(nodes)) {
			t.Errorf("the store is asked %d times", n)
		}
	}
}

// For two years two nodes tend one store. Both sign alike, every successor is
// published long before it signs, and what was signed can be checked for days.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		nodes := []*signing.Signer{newSigner(t, st), newSigner(t, st)}
		published := map[string]time.Time{}
		since := map[string]time.Time{} // when each key began to sign
		type issued struct {
			token string
			at    time.Time
		}
		var last issued
		var etags int
		var etag string
		start := time.Now()
		for time.Since(start) < 2*365*day {
			for _, n := range nodes {
				if err := n.Tend(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			// A node that tended first knows of the other's keys a round later.
			set, _, tag := keySet(t, nodes[0])
			if tag != etag {
				etag, etags = tag, etags+1
			}
			for _, k := range set.Keys {
				if _, ok := published[k.KeyID]; !ok {
					published[k.KeyID] = time.Now()
				}
			}
			a, b := sign(t, nodes[0], "ES256"), sign(t, nodes[1], "ES256")
			if a != b {
				t.Fatalf("after %v two nodes sign with two keys", time.Since(start))
			}
			id := header(t, a).Kid
			if _, ok := since[id]; !ok {
				since[id] = time.Now()
				if ahead := time.Since(published[id]); len(since) > 1 && ahead < 12*time.Hour {
					t.Errorf("a key signs %v after it was published", ahead)
				}
			}
			if !checks(t, set, a) {
				t.Fatal("the key that signs is not published")
			}
			if last.token == "" || time.Since(last.at) > 7*day {
				if last.token != "" {
					if _, err := nodes[1].Verify(t.Context(), signing.IDToken, last.token); err != nil {
						t.Errorf("a token of a week ago: %v", err)
					}
				}
				last = issued{a, time.Now()}
			}
			time.Sleep(6 * time.Hour)
		}
		if n := len(since); n < 8 || n > 9 {
			t.Errorf("%d keys signed in two years, want one in 90 days", n)
		}
		if n := len(stored(t, st)); n > 3 {
			t.Errorf("%d keys are live", n)
		}
		if etags < 15 {
			t.Errorf("the entity tag changed %d times", etags)
		}
	})
}

// A node that nobody tends makes and finds keys by itself.
func TestWithoutTend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		a, b := newSigner(t, st), newSigner(t, st)
		first := sign(t, a, "ES256")
		if sign(t, b, "ES256") != first {
			t.Error("the second node does not take the key of the first")
		}
		for range 91 {
			time.Sleep(day)
			token := sign(t, a, "ES256")
			if set, _, _ := keySet(t, b); !checks(t, set, token) {
				t.Fatalf("after %v another node does not publish the key", time.Since(stored(t, st)[0].CreatedAt))
			}
		}
		if header(t, sign(t, a, "ES256")).Kid == header(t, first).Kid {
			t.Error("the key is not rotated")
		}
		// Off for a year: all keys have expired.
		time.Sleep(365 * day)
		if header(t, sign(t, a, "ES256")).Kid == header(t, first).Kid {
			t.Error("an expired key signs")
		}
		if _, err := a.Verify(t.Context(), signing.IDToken, first); !errors.Is(err, signing.ErrToken) {
			t.Errorf("a token of an expired key: %v", err)
		}
	})
}

// A token that another node signed with a key of its own making is believed.
func TestUnknownKeyIsLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{store: memstore.New()}
		a, b := newSigner(t, st), newSigner(t, st)
		sign(t, a, "ES256")
		sign(t, b, "ES256")
		token := sign(t, b, "RS256")
		if _, err := a.Verify(t.Context(), signing.IDToken, token); err != nil {
			t.Errorf("Verify: %v", err)
		}
		// Nobody can make it ask the store for each token.
		before := st.lists.Load()
		for range 50 {
			if _, err := a.Verify(t.Context(), signing.IDToken, sign(t, newSigner(t, memstore.New()), "ES256")); !errors.Is(err, signing.ErrToken) {
				t.Errorf("a foreign token: %v", err)
			}
		}
		if n := st.lists.Load() - before; n > 1 {
			t.Errorf("50 unknown keys: the store is asked %d times", n)
		}
	})
}

// faulty is a store of keys that counts, fails and hangs.
type faulty struct {
	store  *memstore.Store
	lists  atomic.Int64
	down   atomic.Bool // every call fails
	hangs  atomic.Bool // every call waits for the end of its context
	sealed atomic.Bool // nothing can be created
	slow   bool        // each list takes a while
}

var errDown = errors.New("the store is down")

func (f *faulty) fails(ctx context.Context) error {
	if f.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.down.Load() {
		return errDown
	}
	return nil
}

func (f *faulty) CreateSigningKey(ctx context.Context, k store.SigningKey) error {
	if err := f.fails(ctx); err != nil || f.sealed.Load() {
		return cmp.Or(err, errDown)
	}
	return f.store.CreateSigningKey(ctx, k)
}

func (f *faulty) SigningKeys(ctx context.Context) iter.Seq2[store.SigningKey, error] {
	f.lists.Add(1)
	if f.slow {
		time.Sleep(2 * time.Millisecond)
	}
	if err := f.fails(ctx); err != nil {
		return func(yield func(store.SigningKey, error) bool) { yield(store.SigningKey{}, err) }
	}
	return f.store.SigningKeys(ctx)
}

func (f *faulty) DeleteSigningKey(ctx context.Context, id string) error {
	return f.store.DeleteSigningKey(ctx, id)
}

// Without the store the keys that are known go on, until they end; without a key
// nothing is signed.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{store: memstore.New()}
		st.down.Store(true)
		s := newSigner(t, st)
		if _, err := s.Sign(t.Context(), signing.IDToken, "ES256", 1); !errors.Is(err, signing.ErrNoKey) || !errors.Is(err, errDown) {
			t.Errorf("Sign = %v", err)
		}
		if _, _, err := s.KeySet(t.Context()); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("KeySet = %v", err)
		}
		if _, err := s.Verify(t.Context(), signing.IDToken, sign(t, newSigner(t, memstore.New()), "ES256")); errors.Is(err, signing.ErrToken) || err == nil {
			t.Errorf("Verify = %v; an outage is no bad token", err)
		}
		if err := s.Tend(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("Tend = %v", err)
		}
		st.down.Store(false)
		token := sign(t, s, "ES256")
		st.down.Store(true)
		for range 90 {
			time.Sleep(day)
			if sign(t, s, "ES256") != token {
				t.Fatal("another token")
			}
			if err := s.Tend(t.Context()); !errors.Is(err, errDown) {
				t.Fatalf("Tend = %v", err)
			}
		}
		if _, err := s.Verify(t.Context(), signing.IDToken, token); err != nil {
			t.Errorf("Verify: %v", err)
		}
		// Not for ever: nobody could check what it signed.
		time.Sleep(8 * day)
		if _, err := s.Sign(t.Context(), signing.IDToken, "ES256", 1); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("Sign with a key that has ended: %v", err)
		}
		if _, err := s.Verify(t.Context(), signing.IDToken, token); err != nil {
			t.Errorf("Verify with a key that signs no more: %v", err)
		}
		time.Sleep(8 * day)
		if _, err := s.Verify(t.Context(), signing.IDToken, token); !errors.Is(err, signing.ErrToken) {
			t.Errorf("Verify with a key that has expired: %v", err)
		}
		st.down.Store(false)
		if header(t, sign(t, s, "ES256")).Kid == header(t, token).Kid {
			t.Error("the old key signs")
		}
	})
}

// One request waits for a store that hangs, and not long; it is served.
func TestHangingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &faulty{store: memstore.New()}
		s := newSigner(t, st)
		token := sign(t, s, "ES256")
		st.hangs.Store(true)
		time.Sleep(time.Hour)
		start := time.Now()
		var wg sync.WaitGroup
		var waited atomic.Int64
		for range 64 {
			wg.Go(func() {
				if sign(t, s, "ES256") != token {
					t.Error("another token")
				}
				if time.Since(start) > 0 {
					waited.Add(1)
				}
			})
		}
		wg.Wait()
		if n, d := waited.Load(), time.Since(start); n > 1 || d > 2*time.Second {
			t.Errorf("%d of 64 waited, %v", n, d)
		}
		// Without a key, a request waits for as long as it may.
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := newSigner(t, st).Ready(ctx, "ES256"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ready = %v", err)
		}
	})
}

// A store that can be read and not written to: what is there signs.
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	st := &faulty{store: memstore.New()}
	token := sign(t, newSigner(t, st), "ES256")
	st.sealed.Store(true)
	s := newSigner(t, st)
	if _, err := s.Sign(t.Context(), signing.IDToken, "RS256", 1); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("RS256: %v", err)
	}
	if sign(t, s, "ES256") != token {
		t.Error("ES256: another token")
	}
}

// The key that comes after a new kit key is sealed by that; when the old one goes
// too soon the signing key is lost, and the next signs at once.
func TestKitKeyRotation(t *testing.T) {
	t.Parallel()
	with := func(secrets ...[]byte) func(*signing.Config) {
		return func(c *signing.Config) { c.Keys = newRing(t, secrets...) }
	}
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		first := sign(t, newSigner(t, st), "ES256")
		time.Sleep(2 * day)
		rotated := newSigner(t, st, with(nextKey, kitKey))
		if err := rotated.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sign(t, rotated, "ES256") != first {
			t.Error("a key that can be opened is not used")
		}
		if all := stored(t, st); len(all) != 2 || !all[0].SignsAt.After(time.Now()) {
			t.Fatalf("the successor under the new kit key: %+v", all)
		}
		// Nodes that disagree about the newest kit key make no key each round.
		other := newSigner(t, st, with(kitKey, nextKey))
		for range 20 {
			if err := errors.Join(other.Tend(t.Context()), rotated.Tend(t.Context())); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		if n := len(stored(t, st)); n != 2 {
			t.Errorf("%d keys while two nodes disagree, want 2", n)
		}
		time.Sleep(2 * day)
		late := newSigner(t, st, with(nextKey))
		second := sign(t, late, "ES256")
		if sign(t, rotated, "ES256") != second || second == first {
			t.Error("after the kit key has gone the nodes differ")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		first := sign(t, newSigner(t, st), "ES256")
		s := newSigner(t, st, with(nextKey))
		second := sign(t, s, "ES256")
		if header(t, second).Kid == header(t, first).Kid {
			t.Error("a lost key signs")
		}
		if all := stored(t, st); len(all) != 2 || all[0].Generation != 2 || all[0].SignsAt.After(time.Now()) {
			t.Errorf("stored %+v", all)
		}
		set, _, _ := keySet(t, s)
		if len(set.Keys) != 1 || checks(t, set, first) {
			t.Error("a key that can not be opened is published")
		}
		if _, err := s.Verify(t.Context(), signing.IDToken, first); !errors.Is(err, signing.ErrToken) {
			t.Errorf("Verify = %v", err)
		}
	})
}

// Who can write to the store, and does not have the kit's keys, has no key
// believed.
func TestForgedRecords(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	s := newSigner(t, st)
	token := sign(t, s, "ES256")
	genuine := stored(t, st)[0]
	strangers := memstore.New()
	foreign := sign(t, newSigner(t, strangers, func(c *signing.Config) { c.Keys = newRing(t, nextKey) }), "ES256")
	strange := stored(t, strangers)[0]
	for name, change := range map[string]func(*store.SigningKey){
		"sealed by another": func(k *store.SigningKey) { *k = strange },
		"other private":     func(k *store.SigningKey) { *k = strange; k.Private = genuine.Private },
		"open private":      func(k *store.SigningKey) { *k = strange; k.Private = []byte("{}") },
		"other algorithm":   func(k *store.SigningKey) { k.ID, k.Alg = "x", "RS256" },
		"other name":        func(k *store.SigningKey) { k.ID = "x" },
	} {
		k := genuine
		change(&k)
		k.Generation = 7
		if err := st.CreateSigningKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		s := newSigner(t, st)
		if got := sign(t, s, "ES256"); got != token {
			t.Errorf("%s: signs with %s", name, header(t, got).Kid)
		}
		if set, _, _ := keySet(t, s); len(set.Keys) != 1 || checks(t, set, foreign) {
			t.Errorf("%s: is published", name)
		}
		if _, err := s.Verify(t.Context(), signing.IDToken, foreign); !errors.Is(err, signing.ErrToken) {
			t.Errorf("%s: Verify = %v", name, err)
		}
		if err := st.DeleteSigningKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
	}
	// The public half of a record is not believed.
	if err := st.DeleteSigningKey(t.Context(), genuine.ID); err != nil {
		t.Fatal(err)
	}
	genuine.Public = strange.Public
	if err := st.CreateSigningKey(t.Context(), genuine); err != nil {
		t.Fatal(err)
	}
	s = newSigner(t, st)
	if set, _, _ := keySet(t, s); !checks(t, set, token) || checks(t, set, foreign) {
		t.Error("the public key of a record is believed")
	}
}

// A key whose private half became known is deleted: no node signs with it or
// believes it after a round.
func TestDeletedKey(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	s := newSigner(t, st)
	token := sign(t, s, "ES256")
	if err := st.DeleteSigningKey(t.Context(), header(t, token).Kid); err != nil {
		t.Fatal(err)
	}
	if err := s.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if header(t, sign(t, s, "ES256")).Kid == header(t, token).Kid {
		t.Error("a deleted key signs")
	}
	if _, err := s.Verify(t.Context(), signing.IDToken, token); !errors.Is(err, signing.ErrToken) {
		t.Errorf("Verify = %v", err)
	}
}

// RS256 keys are made ahead for the clients that need them, and for nobody else.
func TestAlgorithmsOfClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		s := newSigner(t, st, func(c *signing.Config) { c.Clients = st })
		put := func(c store.Client) {
			t.Helper()
			if err := st.PutClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Hour)
			if err := s.Tend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		put(store.Client{ID: "plain"})
		put(store.Client{ID: "off", IDTokenAlg: "RS256", Disabled: true})
		put(store.Client{ID: "bad", IDTokenAlg: "none"})
		if all := stored(t, st); len(all) != 1 || all[0].Alg != "ES256" {
			t.Errorf("stored %+v", all)
		}
		put(store.Client{ID: "rsa", IDTokenAlg: "RS256"})
		if all := stored(t, st); len(all) != 2 || all[1].Alg != "RS256" {
			t.Errorf("stored %+v", all)
		}
	})
}

// What was not signed here, as that type, by that algorithm, is refused.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	s := newSigner(t, memstore.New())
	es, rs := sign(t, s, "ES256"), sign(t, s, "RS256")
	set, _, _ := keySet(t, s)
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	claims := part(map[string]string{"sub": "user"})
	type head = map[string]any
	kid := header(t, es).Kid
	// The public key as the secret of an HMAC (RFC 8725, section 2.1).
	confused := func(h head) string {
		public := set.Key(h["kid"].(string))[0].Key
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, der)
		in := part(h) + "." + claims
		mac.Write([]byte(in))
		return in + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := func(h head) string {
		in := part(h) + "." + claims
		hash := sha256.Sum256([]byte(in))
		r, v, err := ecdsa.Sign(rand.Reader, stranger, hash[:])
		if err != nil {
			t.Fatal(err)
		}
		var sig [64]byte
		r.FillBytes(sig[:32])
		v.FillBytes(sig[32:])
		return in + "." + base64.RawURLEncoding.EncodeToString(sig[:])
	}
	cut := func(token string, i int) string { return strings.Split(token, ".")[i] }
	logout, err := s.Sign(t.Context(), signing.LogoutToken, "ES256", 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"nothing":           "",
		"dots":              "..",
		"two parts":         cut(es, 0) + "." + cut(es, 1),
		"four parts":        es + ".x",
		"five parts":        es + ".x.y",
		"JSON":              `{"payload":"` + cut(es, 1) + `","protected":"` + cut(es, 0) + `","signature":"` + cut(es, 2) + `"}`,
		"none":              part(head{"alg": "none", "typ": "JWT", "kid": kid}) + "." + claims + ".",
		"NONE":              part(head{"alg": "NONE", "typ": "JWT", "kid": kid}) + "." + claims + ".",
		"HS256, EC key":     confused(head{"alg": "HS256", "typ": "JWT", "kid": kid}),
		"HS256, RSA key":    confused(head{"alg": "HS256", "typ": "JWT", "kid": header(t, rs).Kid}),
		"HS256 as ES256":    confused(head{"alg": "ES256", "typ": "JWT", "kid": kid}),
		"key in the header": own(head{"alg": "ES256", "typ": "JWT", "kid": kid, "jwk": jose.JSONWebKey{Key: stranger.Public()}}),
		"only that key":     own(head{"alg": "ES256", "typ": "JWT", "jwk": jose.JSONWebKey{Key: stranger.Public()}}),
		"key of a URL":      own(head{"alg": "ES256", "typ": "JWT", "kid": kid, "jku": "https://evil.test/jwks"}),
		"stranger's key":    own(head{"alg": "ES256", "typ": "JWT", "kid": kid}),
		"no kid":            own(head{"alg": "ES256", "typ": "JWT"}),
		"unknown critical":  own(head{"alg": "ES256", "typ": "JWT", "kid": kid, "crit": []string{"x"}, "x": 1}),
		"other algorithm":   own(head{"alg": "RS256", "typ": "JWT", "kid": kid}),
		"other type":        logout,
		"no type":           own(head{"alg": "ES256", "kid": kid}),
		"other claims":      cut(es, 0) + "." + part(map[string]string{"sub": "admin"}) + "." + cut(es, 2),
		"no signature":      cut(es, 0) + "." + cut(es, 1) + ".",
		"other's signature": cut(es, 0) + "." + cut(es, 1) + "." + cut(rs, 2),
		"cut":               es[:len(es)-2],
		"longer":            es + "AA",
		"padded":            es + "==",
		"a space":           es + " ",
		"very long":         es + strings.Repeat("A", 1<<20),
		"of another store":  sign(t, newSigner(t, memstore.New()), "ES256"),
	} {
		if got, err := s.Verify(t.Context(), signing.IDToken, token); !errors.Is(err, signing.ErrToken) || got != nil {
			t.Errorf("%s: Verify = %s, %v", name, got, err)
		}
	}
	if _, err := s.Verify(t.Context(), signing.LogoutToken, es); !errors.Is(err, signing.ErrToken) {
		t.Errorf("an ID token as logout token: %v", err)
	}
	// The genuine ones, so that the above is refused for what it says.
	for _, token := range []string{es, rs} {
		if _, err := s.Verify(t.Context(), signing.IDToken, token); err != nil {
			t.Error(err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner(f, memstore.New())
	es, rs := sign(f, s, "ES256"), sign(f, s, "RS256")
	for _, seed := range []string{"", "..", es, rs, es[:40], `{"payload":""}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := s.Verify(t.Context(), signing.IDToken, raw)
		if err == nil && string(got) != `{"sub":"user"}` {
			t.Errorf("Verify(%q) = %s", raw, got)
		}
		if err != nil && !errors.Is(err, signing.ErrToken) {
			t.Errorf("Verify(%q): %v", raw, err)
		}
	})
}
