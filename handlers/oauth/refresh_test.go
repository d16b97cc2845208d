package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

func grantOf(refresh string) string { return strings.Split(refresh, ".")[0] }

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.grant("web", webSecret)
		seen := map[string]bool{first.Refresh: true, first.Access: true}
		token := first.Refresh
		for range 5 {
			time.Sleep(time.Hour)
			a := w.ok(basic("web", webSecret, refreshWith(token)))
			if seen[a.Refresh] || seen[a.Access] {
				t.Fatalf("a token came twice: %s", a.Body)
			}
			seen[a.Refresh], seen[a.Access] = true, true
			if grantOf(a.Refresh) != grantOf(token) || a.Scope != "read write" || a.Seconds != 12*3600 || !w.live(a.Access) {
				t.Errorf("answer %s", a.Body)
			}
			token = a.Refresh
		}
	})
}

func TestRefreshRetryWindow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wait time.Duration
		ok   bool
	}{{0, true}, {9 * time.Second, true}, {10 * time.Second, true}, {10*time.Second + time.Millisecond, false}, {time.Hour, false}} {
		t.Run(tt.wait.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				first := w.grant("web", webSecret)
				second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
				time.Sleep(tt.wait)
				if !tt.ok {
					// Reuse shows theft: the family ends, the honest heir's tokens too.
					w.refused(basic("web", webSecret, refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
					if w.live(second.Access) || w.live(first.Access) {
						t.Error("an access token outlives the family")
					}
					w.refused(basic("web", webSecret, refreshWith(second.Refresh)), 400, oauth.InvalidGrant)
					return
				}
				again := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
				if again.Refresh != second.Refresh || again.Access != second.Access || again.Scope != second.Scope {
					t.Errorf("second answer %s, first was %s", again.Body, second.Body)
				}
				if want := 12*3600 - int64(tt.wait/time.Second); again.Seconds != want {
					t.Errorf("expires_in %d, want %d", again.Seconds, want)
				}
				w.ok(basic("web", webSecret, refreshWith(second.Refresh)))
			})
		})
	}
}

// Only the immediate predecessor is excepted, however quickly it all goes.
func TestRefreshOlderGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	third := w.ok(basic("web", webSecret, refreshWith(second.Refresh)))
	w.refused(basic("web", webSecret, refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
	w.refused(basic("web", webSecret, refreshWith(third.Refresh)), 400, oauth.InvalidGrant)
	if w.live(third.Access) {
		t.Error("the access token outlives the family")
	}
	if !strings.Contains(w.log.String(), "family is revoked") {
		t.Error("the log does not tell of the theft")
	}
}

func TestRefreshWindowOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *oauth.Config) { c.RetryWindow = -1 })
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	w.refused(basic("web", webSecret, refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
	w.refused(basic("web", webSecret, refreshWith(second.Refresh)), 400, oauth.InvalidGrant)
}

func TestRefreshOtherClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	third := w.ok(basic("web", webSecret, refreshWith(second.Refresh)))
	for _, token := range []string{first.Refresh, second.Refresh, third.Refresh} {
		w.refused(basic("other", otherSecret, refreshWith(token)), 400, oauth.InvalidGrant)
		w.refused(basic("web", "wrong", refreshWith(token)), 401, oauth.InvalidClient)
		w.refused(newPost(with(refreshWith(token), "client_id", "spa").Encode()), 400, oauth.InvalidGrant)
	}
	w.ok(basic("web", webSecret, refreshWith(third.Refresh)))
}

func TestRefreshFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	id, secret, _ := strings.Cut(a.Refresh, ".")
	for name, tt := range map[string]struct{ token, want string }{
		"missing":        {"", oauth.InvalidRequest},
		"no dot":         {id + secret, oauth.InvalidGrant},
		"no secret":      {id + ".", oauth.InvalidGrant},
		"short secret":   {id + "." + secret[1:], oauth.InvalidGrant},
		"long secret":    {a.Refresh + "x", oauth.InvalidGrant},
		"two dots":       {id + "." + secret[:20] + "." + secret[21:], oauth.InvalidGrant},
		"unknown grant":  {grantID(-1) + "." + secret, oauth.InvalidGrant},
		"access token":   {a.Access, oauth.InvalidGrant},
		"oversized":      {id + "." + strings.Repeat("x", 20000), oauth.InvalidGrant},
		"trailing space": {a.Refresh + " ", oauth.InvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			w.refused(basic("web", webSecret, refreshWith(tt.token)), 400, tt.want)
		})
	}
	w.ok(basic("web", webSecret, refreshWith(a.Refresh))) // none of these harmed the family
}

// RFC 6749, section 6: the scope may become narrower, for one access token.
func TestRefreshScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.grant("web", webSecret)
	w.refused(basic("web", webSecret, with(refreshWith(a.Refresh), "scope", "read a&b")), 400, oauth.InvalidScope)
	narrow := w.ok(basic("web", webSecret, with(refreshWith(a.Refresh), "scope", "write")))
	if narrow.Scope != "write" {
		t.Errorf("scope %q, want write", narrow.Scope)
	}
	if tok, _ := w.store.AccessToken(t.Context(), store.DigestOf(narrow.Access)); tok.Scope != "write" {
		t.Errorf("stored scope %q, want write", tok.Scope)
	}
	// The retry says what the token that it hands out can do.
	if again := w.ok(basic("web", webSecret, refreshWith(a.Refresh))); again.Access != narrow.Access || again.Scope != "write" {
		t.Errorf("retry %s, want %s", again.Body, narrow.Body)
	}
	if wide := w.ok(basic("web", webSecret, refreshWith(narrow.Refresh))); wide.Scope != "read write" {
		t.Errorf("scope %q, want all that was granted", wide.Scope)
	}
}

func TestRefreshEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		unused := w.grant("web", webSecret)
		token := w.grant("web", webSecret).Refresh
		day := 24 * time.Hour
		for at := 29 * day; at < 365*day; at += 29 * day {
			time.Sleep(29 * day)
			token = w.ok(basic("web", webSecret, refreshWith(token))).Refresh
		}
		w.refused(basic("web", webSecret, refreshWith(unused.Refresh)), 400, oauth.InvalidGrant)
		// The absolute end: a year after the first token, however often it was used.
		time.Sleep(365*day - 12*29*day - time.Hour)
		last := w.ok(basic("web", webSecret, refreshWith(token)))
		if last.Seconds != 3600 {
			t.Errorf("expires_in %d, want the hour that is left", last.Seconds)
		}
		g, err := w.store.Grant(t.Context(), grantOf(last.Refresh))
		if err != nil || g.RefreshExpires.After(g.ExpiresAt) {
			t.Errorf("the refresh token ends at %v, the grant at %v, %v", g.RefreshExpires, g.ExpiresAt, err)
		}
		time.Sleep(time.Hour)
		w.refused(basic("web", webSecret, refreshWith(last.Refresh)), 400, oauth.InvalidGrant)
		if w.live(last.Access) {
			t.Error("an access token outlives the grant")
		}
	})
}

func TestRefreshKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.grant("keep", webSecret)
		for range 4 {
			time.Sleep(29 * 24 * time.Hour) // each use moves the end
			a := w.ok(basic("keep", webSecret, refreshWith(first.Refresh)))
			b := w.ok(basic("keep", webSecret, with(refreshWith(first.Refresh), "scope", "read")))
			if a.Refresh != first.Refresh || b.Refresh != first.Refresh || a.Access == b.Access || b.Scope != "read" || !w.live(a.Access) || !w.live(b.Access) {
				t.Fatalf("answers %s and %s", a.Body, b.Body)
			}
		}
		time.Sleep(30 * 24 * time.Hour)
		w.refused(basic("keep", webSecret, refreshWith(first.Refresh)), 400, oauth.InvalidGrant)
	})
}

// Keys are rotated, also while a retry is under way.
func TestRefreshKeyRotation(t *testing.T) {
	t.Parallel()
	older, newer := []byte(strings.Repeat("old key ", 4)), []byte(strings.Repeat("new key ", 4))
	use := func(secrets ...[]byte) func(*oauth.Config) {
		return func(c *oauth.Config) { c.Keys = must(keys.New(secrets)) }
	}
	w := newWorld(t, use(older))
	first := w.grant("web", webSecret)
	second := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))

	w = newWorldOn(t, w.store, use(newer, older))
	again := w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	if again.Body != second.Body {
		t.Errorf("after the key changed: %s, before: %s", again.Body, second.Body)
	}
	third := w.ok(basic("web", webSecret, refreshWith(second.Refresh)))
	if g, err := w.store.Grant(t.Context(), grantOf(third.Refresh)); err != nil || g.KeyID != must(keys.New([][]byte{newer})).ID() {
		t.Errorf("key %q, %v; want the newest", g.KeyID, err)
	}
	w = newWorldOn(t, w.store, use(newer))
	w.ok(basic("web", webSecret, refreshWith(third.Refresh)))
	// The key that derived third's successor is there, second's is of no use.
	w.refused(basic("web", webSecret, refreshWith(second.Refresh)), 400, oauth.InvalidGrant)

	// A retry that can not be answered for want of the key is an outage.
	w = newWorld(t, use(older))
	first = w.grant("web", webSecret)
	second = w.ok(basic("web", webSecret, refreshWith(first.Refresh)))
	w = newWorldOn(t, w.store, use(newer))
	w.refused(basic("web", webSecret, refreshWith(first.Refresh)), 503, oauth.TemporarilyUnavailable)
	w.ok(basic("web", webSecret, refreshWith(second.Refresh)))
}

// All successful answers of a race are identical, and one successor is stored.
func TestRefreshRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.grant("web", webSecret).Refresh
	for round := range rounds(t) {
		replies := race(t, w.token, 16, func() *http.Request { return basic("web", webSecret, refreshWith(token)) })
		for _, a := range replies {
			if a.Status != 200 || a.Refresh != replies[0].Refresh || a.Access != replies[0].Access {
				t.Fatalf("answers differ: %d %s and %s", a.Status, a.Body, replies[0].Body)
			}
		}
		g, err := w.store.Grant(t.Context(), grantOf(token))
		if err != nil || g.Generation != round+1 || g.Refresh != store.DigestOf(replies[0].Refresh) || g.Previous != store.DigestOf(token) {
			t.Fatalf("grant %+v, %v", g, err)
		}
		token = replies[0].Refresh
	}
}

// A thief and the heir race with every generation: whoever presents an old token
// too late ends the family, and honest retries in time never do.
func TestRefreshTheft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tokens := []string{w.grant("web", webSecret).Refresh}
		for range 4 {
			time.Sleep(time.Hour)
			last := tokens[len(tokens)-1]
			a := w.ok(basic("web", webSecret, refreshWith(last)))
			if b := w.ok(basic("web", webSecret, refreshWith(last))); b.Body != a.Body {
				t.Fatalf("retry %s, want %s", b.Body, a.Body)
			}
			tokens = append(tokens, a.Refresh)
		}
		w.refused(basic("web", webSecret, refreshWith(tokens[1])), 400, oauth.InvalidGrant)
		w.refused(basic("web", webSecret, refreshWith(tokens[4])), 400, oauth.InvalidGrant)
		_, err := w.store.Grant(t.Context(), grantOf(tokens[0]))
		if !errors.Is(err, store.ErrRevoked) {
			t.Errorf("grant: %v, want revoked", err)
		}
	})
}
