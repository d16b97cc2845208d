package bench

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// rounds is how often each race is run: SOAK_ROUNDS, or 200.
func rounds(t *testing.T) int {
	t.Helper()
	s := os.Getenv("SOAK_ROUNDS")
	if s == "" {
		return 200
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("bad SOAK_ROUNDS %q", s)
	}
	return n
}

// callers is how many meet at one code or token.
const callers = 64

func onBoth(t *testing.T, f func(t *testing.T, w world, session *http.Cookie)) {
	for name, open := range map[string]func() (store.Store, error){
		"memory": func() (store.Store, error) { return memstore.New(), nil },
		"sqlite": func() (store.Store, error) {
			s, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "race.db"))
			if err == nil {
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			return s, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, s)
			f(t, w, w.signUp(t)["__Host-connectid-session"])
		})
	}
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	redirect  = "https://paper.example/callback"
)

// code gets an authorization code for the session.
func (w world) code(t *testing.T, session *http.Cookie) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, loginURL+"/oauth/authorize?"+url.Values{
		"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {redirect},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}.Encode(), nil)
	r.AddCookie(session)
	rec := httptest.NewRecorder()
	w.kit.ServeHTTP(rec, r)
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("authorize: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	return u.Query().Get("code")
}

// token calls the token endpoint and returns the status and the answer.
func (w world) token(form url.Values) (int, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, loginURL+"/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.kit.ServeHTTP(rec, r)
	answer := map[string]any{}
	_ = json.Unmarshal(rec.Body.Bytes(), &answer) // an answer that is none has no tokens
	return rec.Code, answer
}

func (w world) redeem(code string) (int, map[string]any) {
	return w.token(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	})
}

// profile returns the API's status for an access token.
func (w world) profile(access string) int {
	r := httptest.NewRequest(http.MethodGet, "https://id.example/capi/v1/customer/profile", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	rec := httptest.NewRecorder()
	w.kit.ServeHTTP(rec, r)
	return rec.Code
}

// meet lets all callers do f at once.
func meet(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// One code redeemed by many at once issues one token set, which the replays
// then revoke.
func TestRaceOneCode(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, session *http.Cookie) {
		for round := range rounds(t) {
			code := w.code(t, session)
			var mu sync.Mutex
			var issued []string
			meet(func(int) {
				status, answer := w.redeem(code)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case status == http.StatusOK:
					issued = append(issued, answer["access_token"].(string), answer["refresh_token"].(string))
				case status != http.StatusBadRequest || answer["error"] != "invalid_grant":
					t.Errorf("round %d: %d %v", round, status, answer)
				}
			})
			if len(issued) != 2 {
				t.Fatalf("round %d: %d token sets were issued", round, len(issued)/2)
			}
			if status := w.profile(issued[0]); status != http.StatusUnauthorized {
				t.Fatalf("round %d: the access token of a replayed code passes: %d", round, status)
			}
			if status, _ := w.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {issued[1]}}); status != http.StatusBadRequest {
				t.Fatalf("round %d: the refresh token of a replayed code passes: %d", round, status)
			}
		}
	})
}

// One refresh token used by many at once: all get the identical answer, which
// works, and one successor is stored.
func TestRaceOneRefreshToken(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, session *http.Cookie) {
		_, answer := w.redeem(w.code(t, session))
		for round := range rounds(t) {
			present, _ := answer["refresh_token"].(string)
			var mu sync.Mutex
			answers := map[string]int{}
			meet(func(int) {
				status, got := w.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {present}})
				mu.Lock()
				defer mu.Unlock()
				if status != http.StatusOK {
					t.Errorf("round %d: %d %v", round, status, got)
					return
				}
				answers[got["access_token"].(string)+" "+got["refresh_token"].(string)]++
				answer = got
			})
			if len(answers) != 1 {
				t.Fatalf("round %d: %d different answers", round, len(answers))
			}
			if status := w.profile(answer["access_token"].(string)); status != http.StatusOK && status != http.StatusTooManyRequests {
				t.Fatalf("round %d: the new access token: %d", round, status)
			}
		}
		grants := 0
		for g, err := range w.store.UserGrants(t.Context(), w.userID(t)) {
			if err != nil {
				t.Fatal(err)
			}
			if grants++; g.Generation != rounds(t) {
				t.Errorf("the family has %d generations after %d rounds", g.Generation, rounds(t))
			}
		}
		if grants != 1 {
			t.Errorf("%d grants are stored", grants)
		}
	})
}

func (w world) userID(t *testing.T) string {
	t.Helper()
	u, err := w.store.UserByCredential(t.Context(), store.Email, email)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}
