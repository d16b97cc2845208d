package extid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

var outsider = account.ExternalID{Type: "D", ID: "4711"}

// world is an authorization server with this grant.
type world struct {
	t        testing.TB
	store    *storetest.Faulty
	accounts *account.Service
	secret   string
	token    http.Handler
}

func open(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: storetest.NewFaulty(memstore.New())}
	kit, err := connectid.New(connectid.Config{
		Store: w.store, Keys: [][]byte{bytes.Repeat([]byte{1, 2, 3, 4}, 8)}, LoginURL: "https://login.example/user",
		Sender:    message.SenderFunc(func(context.Context, message.Message) error { return nil }),
		Passwords: account.Passwords{Memory: 8, Passes: 1}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.accounts, w.token = kit.Accounts(), kit.Token()
	secret, hash := oauth.NewSecret()
	w.secret = secret
	every := []string{extid.Type, "authorization_code", "refresh_token"}
	for _, c := range []store.Client{
		{ID: "news", PartnerID: "p", Secrets: []string{hash}, GrantTypes: every, Scopes: []string{"read"}, InsecureSkipPKCE: true},
		{ID: "sister", PartnerID: "p", Secrets: []string{hash}, GrantTypes: every},
		{ID: "without", PartnerID: "p", Secrets: []string{hash}, GrantTypes: every[1:]},
		{ID: "app", PartnerID: "p", Public: true, GrantTypes: every},
	} {
		if err := w.store.PutClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// code returns an extidCode of the client and its user.
func (w *world) code(clientID string) (string, store.User) {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), clientID)
	if err != nil {
		w.t.Fatal(err)
	}
	u, _, err := w.accounts.External(w.t.Context(), c, outsider)
	if err != nil {
		w.t.Fatal(err)
	}
	code, err := w.accounts.IssueExternalCode(w.t.Context(), c, u, outsider)
	if err != nil {
		w.t.Fatal(err)
	}
	return code, u
}

// reply is what the token endpoint answered.
type reply struct {
	Status  int
	Body    string
	Error   string `json:"error"`
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Seconds int    `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
}

func (w *world) post(clientID string, pairs ...string) reply {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "/user/oauth/token", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if clientID != "" {
		r.SetBasicAuth(clientID, w.secret)
	}
	rec := httptest.NewRecorder()
	w.token.ServeHTTP(rec, r)
	a := reply{Status: rec.Code, Body: rec.Body.String()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		w.t.Errorf("answer %q: %v", a.Body, err)
	}
	return a
}

func (w *world) exchange(clientID, code string) reply {
	w.t.Helper()
	return w.post(clientID, "grant_type", extid.Type, "code", code)
}

func (w *world) refused(a reply, status int, code string) {
	w.t.Helper()
	if a.Status != status || a.Error != code || a.Access != "" || a.Refresh != "" {
		w.t.Errorf("answer %d %s, want %d %s", a.Status, a.Body, status, code)
	}
}

func (w *world) live(a reply) bool {
	_, err := w.store.AccessToken(context.Background(), store.DigestOf(a.Access))
	return err == nil
}

func TestGrant(t *testing.T) {
	t.Parallel()
	w := open(t)
	code, u := w.code("news")
	a := w.post("news", "grant_type", extid.Type, "code", code, "scope", "read", "redirect_uri", "https://anything.example")
	if a.Status != 200 || a.Type != "Bearer" || a.Seconds != 12*60*60 || a.Scope != "read" || a.Refresh == "" {
		t.Fatalf("answer %d %s", a.Status, a.Body)
	}
	tok, err := w.store.AccessToken(t.Context(), store.DigestOf(a.Access))
	if err != nil || tok.UserID != u.ID || tok.ClientID != "news" || tok.Scope != "read" {
		t.Errorf("the token is %+v, %v", tok, err)
	}
	if next := w.post("news", "grant_type", "refresh_token", "refresh_token", a.Refresh); next.Status != 200 {
		t.Errorf("refresh: %d %s", next.Status, next.Body)
	}
	if stored, err := w.store.Ticket(t.Context(), store.ExternalCode, store.DigestOf(code)); err == nil || bytes.Contains(stored.Data, []byte(code)) {
		t.Errorf("the code as it is stored: %+v, %v", stored, err)
	}
}

func TestReplayRevokes(t *testing.T) {
	t.Parallel()
	w := open(t)
	code, _ := w.code("news")
	a := w.exchange("news", code)
	other, _ := w.code("news")
	b := w.exchange("news", other)
	// Another client is no replay: it neither learns nor ends anything.
	w.refused(w.exchange("sister", code), 400, oauth.InvalidGrant)
	if !w.live(a) {
		t.Error("another client ends what a code gave")
	}
	w.refused(w.exchange("news", code), 400, oauth.InvalidGrant)
	if w.live(a) || !w.live(b) {
		t.Error("the replay does not revoke what the code gave, or more than that")
	}
	w.refused(w.post("news", "grant_type", "refresh_token", "refresh_token", a.Refresh), 400, oauth.InvalidGrant)
}

func TestForeignClientUsesNothingUp(t *testing.T) {
	t.Parallel()
	w := open(t)
	code, _ := w.code("news")
	for range 3 {
		w.refused(w.exchange("sister", code), 400, oauth.InvalidGrant)
	}
	if a := w.exchange("news", code); a.Status != 200 {
		t.Errorf("its own client: %d %s", a.Status, a.Body)
	}
}

// An extidCode is no authorization code, and the other way round; neither is used
// up by the attempt.
func TestCodesDoNotMeet(t *testing.T) {
	t.Parallel()
	w := open(t)
	code, u := w.code("news")
	w.refused(w.post("news", "grant_type", "authorization_code", "code", code), 400, oauth.InvalidGrant)
	now := time.Now()
	if err := w.store.CreateSession(t.Context(), store.Session{
		Handle: store.DigestOf("s"), UserID: u.ID, CreatedAt: now, UsedAt: now, IdleAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	authorization := strings.Repeat("A", 43)
	if err := w.store.PutCode(t.Context(), store.AuthorizationCode{
		Hash: store.DigestOf(authorization), ClientID: "news", GrantID: oauth.NewGrantID(), UserID: u.ID, Session: store.DigestOf("s"),
		CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}); err != nil {
		t.Fatal(err)
	}
	w.refused(w.exchange("news", authorization), 400, oauth.InvalidGrant)
	if a := w.post("news", "grant_type", "authorization_code", "code", authorization); a.Status != 200 {
		t.Errorf("the authorization code: %d %s", a.Status, a.Body)
	}
	if a := w.exchange("news", code); a.Status != 200 {
		t.Errorf("the extidCode: %d %s", a.Status, a.Body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := open(t)
	code, _ := w.code("news")
	foreign, _ := w.code("without")
	public, _ := w.code("app")
	for name, c := range map[string]struct {
		answer reply
		status int
		code   string
	}{
		"no code":            {w.post("news", "grant_type", extid.Type), 400, oauth.InvalidRequest},
		"an empty code":      {w.exchange("news", ""), 400, oauth.InvalidRequest},
		"an unknown code":    {w.exchange("news", strings.Repeat("B", 43)), 400, oauth.InvalidGrant},
		"no code at all":     {w.exchange("news", "\x00'; --"), 400, oauth.InvalidGrant},
		"a long code":        {w.exchange("news", strings.Repeat("C", 20<<10)), 400, oauth.InvalidGrant},
		"two codes":          {w.post("news", "grant_type", extid.Type, "code", code, "code", code), 400, oauth.InvalidRequest},
		"a repeated one":     {w.post("news", "grant_type", extid.Type, "code", code, "x", "1", "x", "2"), 400, oauth.InvalidRequest},
		"a foreign scope":    {w.post("news", "grant_type", extid.Type, "code", code, "scope", "admin"), 400, oauth.InvalidScope},
		"a wrong secret":     {wrongSecret(w, code), 401, oauth.InvalidClient},
		"a secret in a form": {w.post("", "grant_type", extid.Type, "code", code, "client_id", "news", "client_secret", w.secret), 401, oauth.InvalidClient},
		"a public client":    {w.post("", "grant_type", extid.Type, "code", public, "client_id", "app"), 401, oauth.InvalidClient},
		"no client":          {w.post("", "grant_type", extid.Type, "code", code), 401, oauth.InvalidClient},
		"not allowed":        {w.exchange("without", foreign), 400, oauth.UnauthorizedClient},
	} {
		t.Run(name, func(t *testing.T) {
			if c.answer.Status != c.status || c.answer.Error != c.code || c.answer.Access != "" {
				t.Errorf("answer %d %s, want %d %s", c.answer.Status, c.answer.Body, c.status, c.code)
			}
		})
	}
	if a := w.exchange("news", code); a.Status != 200 {
		t.Errorf("a refusal before the exchange uses the code up: %d %s", a.Status, a.Body)
	}
}

func wrongSecret(w *world, code string) reply {
	other := *w
	other.secret += "x"
	return other.exchange("news", code)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		late, _ := w.code("news")
		time.Sleep(time.Second)
		code, _ := w.code("news")
		time.Sleep(59 * time.Second)
		w.refused(w.exchange("news", late), 400, oauth.InvalidGrant)
		if a := w.exchange("news", code); a.Status != 200 {
			t.Errorf("within 60 seconds: %d %s", a.Status, a.Body)
		}
	})
}

// Who is gone between code and exchange gets nothing, and neither does who goes
// while the tokens are stored.
func TestWhoIsGone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, u store.User) error{
		"blocked": func(w *world, u store.User) error { return w.accounts.Block(context.Background(), u.ID) },
		"deleted": func(w *world, u store.User) error {
			return w.accounts.Delete(context.Background(), account.Deletion{UserID: u.ID})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			code, u := w.code("news")
			if err := end(w, u); err != nil {
				t.Fatal(err)
			}
			w.refused(w.exchange("news", code), 400, oauth.InvalidGrant)

			w = open(t)
			code, u = w.code("news")
			var once sync.Once
			w.store.Inject(storetest.Fault{Method: "CreateGrant", Hook: func(string) {
				once.Do(func() {
					if err := end(w, u); err != nil {
						t.Error(err)
					}
				})
			}})
			w.refused(w.exchange("news", code), 400, oauth.InvalidGrant)
			for g, err := range w.store.UserGrants(t.Context(), u.ID) {
				t.Errorf("a grant is left: %+v, %v", g, err)
			}
		})
	}
	w := open(t)
	code, _ := w.code("news")
	c, err := w.store.Client(t.Context(), "news")
	if err != nil {
		t.Fatal(err)
	}
	c.Disabled = true
	if err := w.store.PutClient(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	w.refused(w.exchange("news", code), 401, oauth.InvalidClient)
}

// A store that fails is 503 and gives nothing; until the code was taken, the same
// call works afterwards.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		nth    int
		again  int // what the same call gets once the store is back
	}{
		{"Client", 1, 200}, {"TakeTicket", 1, 200}, {"User", 1, 400}, {"CreateGrant", 1, 400}, {"User", 2, 400},
	} {
		w := open(t)
		code, u := w.code("news")
		w.store.Inject(storetest.Fault{Method: c.method, Nth: c.nth})
		w.refused(w.exchange("news", code), 503, oauth.TemporarilyUnavailable)
		w.store.Heal()
		for g, err := range w.store.UserGrants(t.Context(), u.ID) {
			t.Errorf("%s, %d: a grant is left: %+v, %v", c.method, c.nth, g, err)
		}
		if a := w.exchange("news", code); a.Status != c.again {
			t.Errorf("%s, %d: then %d %s, want %d", c.method, c.nth, a.Status, a.Body, c.again)
		}
	}
	// A replay whose revocation fails is not reported as done.
	w := open(t)
	code, _ := w.code("news")
	a := w.exchange("news", code)
	w.store.Inject(storetest.Fault{Method: "RevokeGrant", Nth: 1})
	w.refused(w.exchange("news", code), 503, oauth.TemporarilyUnavailable)
	w.refused(w.exchange("news", code), 400, oauth.InvalidGrant)
	if w.live(a) {
		t.Error("the repeated replay revokes nothing")
	}
}

func TestRace(t *testing.T) {
	t.Parallel()
	w := open(t)
	for round := range storetest.Rounds() {
		code, u := w.code("news")
		var mu sync.Mutex
		var given []reply
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 64 {
			wg.Go(func() {
				<-start
				a := w.exchange("news", code)
				mu.Lock()
				defer mu.Unlock()
				if a.Status == 200 {
					given = append(given, a)
				} else if a.Status != 400 || a.Error != oauth.InvalidGrant {
					t.Errorf("answer %d %s", a.Status, a.Body)
				}
			})
		}
		close(start)
		wg.Wait()
		if len(given) != 1 || w.live(given[0]) {
			t.Fatalf("round %d: %d token sets of one code, or the replays revoked none", round, len(given))
		}
		for g, err := range w.store.UserGrants(t.Context(), u.ID) {
			t.Fatalf("round %d: a grant is left: %+v, %v", round, g, err)
		}
	}
}
