package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/connectid-kit/connectid/internal/dpoptest"
)

const profileURL = "https://id.example/capi/v1/customer/profile"

var boundCalls atomic.Int64

// bound calls an address with a proof and, for the API, an access token.
func (w world) bound(method, address, proof, access string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
	r.Header.Set("DPoP", proof)
	n := boundCalls.Add(1) // each from an address of its own: refusals count against it
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", n>>16&255, n>>8&255, n&255)
	if access != "" {
		r.Header.Set("Authorization", "DPoP "+access)
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	rec := httptest.NewRecorder()
	w.kit.ServeHTTP(rec, r)
	return rec
}

// One DPoP proof shown by many at once passes once, at the API and at the token
// endpoint (RFC 9449, section 11.1).
func TestRaceOneProof(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, session *http.Cookie) {
		key := dpoptest.NewKey(t)
		tokenURL := loginURL + "/oauth/token"
		exchange := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {w.code(t, session)}, "redirect_uri": {redirect}, "code_verifier": {verifier},
		}
		nonce := dpoptest.Nonce(w.bound("POST", tokenURL, key.Proof("POST", tokenURL), "", exchange).Header().Get("DPoP-Nonce"))
		var tokens struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
			Type    string `json:"token_type"`
		}
		rec := w.bound("POST", tokenURL, key.Proof("POST", tokenURL, nonce), "", exchange)
		if err := json.Unmarshal(rec.Body.Bytes(), &tokens); err != nil || tokens.Type != "DPoP" {
			t.Fatalf("token: %d %s", rec.Code, rec.Body)
		}
		next := func(rec *httptest.ResponseRecorder) { // the nonce may change while the test runs
			if n := rec.Header().Get("DPoP-Nonce"); n != "" {
				nonce = dpoptest.Nonce(n)
			}
		}
		for round := range rounds(t) {
			next(w.bound("GET", profileURL, "", tokens.Access, nil))
			proof := key.Proof("GET", profileURL, nonce, dpoptest.For(tokens.Access))
			var passed, refused atomic.Int32
			meet(func(int) {
				switch rec := w.bound("GET", profileURL, proof, tokens.Access, nil); {
				case rec.Code == http.StatusOK:
					passed.Add(1)
				case rec.Code == http.StatusUnauthorized && strings.Contains(rec.Header().Get("WWW-Authenticate"), `error="invalid_dpop_proof"`):
					refused.Add(1)
				}
			})
			if passed.Load() != 1 || refused.Load() != callers-1 {
				t.Fatalf("round %d: %d calls with one proof passed, %d were refused", round, passed.Load(), refused.Load())
			}
			refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {tokens.Refresh}}
			proof = key.Proof("POST", tokenURL, nonce)
			passed.Store(0)
			answers := make([]*httptest.ResponseRecorder, callers)
			meet(func(i int) { answers[i] = w.bound("POST", tokenURL, proof, "", refresh) })
			for _, rec := range answers {
				switch {
				case rec.Code == http.StatusOK:
					passed.Add(1)
					if err := json.Unmarshal(rec.Body.Bytes(), &tokens); err != nil {
						t.Fatal(err)
					}
				case rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "invalid_dpop_proof"):
					t.Fatalf("round %d: %d %s", round, rec.Code, rec.Body)
				}
			}
			if passed.Load() != 1 {
				t.Fatalf("round %d: %d refreshes with one proof", round, passed.Load())
			}
		}
	})
}

// One pushed request brought by many browsers at once gives one code (RFC 9126,
// section 7.3).
func TestRaceOnePushedRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, session *http.Cookie) {
		for round := range rounds(t) {
			r := httptest.NewRequest("POST", loginURL+"/oauth/par", strings.NewReader(url.Values{
				"client_id": {clientID}, "response_type": {"code"}, "redirect_uri": {redirect},
				"code_challenge": {challenge}, "code_challenge_method": {"S256"},
			}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.RemoteAddr = fmt.Sprintf("10.1.%d.%d:1", round/200%250, round%200) // an address may push 100 times
			rec := httptest.NewRecorder()
			w.kit.ServeHTTP(rec, r)
			var pushed struct {
				URI string `json:"request_uri"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &pushed); err != nil || rec.Code != http.StatusCreated {
				t.Fatalf("push: %d %s", rec.Code, rec.Body)
			}
			var codes, refused atomic.Int32
			meet(func(int) {
				r := httptest.NewRequest("GET", loginURL+"/oauth/authorize?"+url.Values{"client_id": {clientID}, "request_uri": {pushed.URI}}.Encode(), nil)
				r.AddCookie(session)
				rec := httptest.NewRecorder()
				w.kit.ServeHTTP(rec, r)
				to, err := url.Parse(rec.Header().Get("Location"))
				switch {
				case err != nil || rec.Code != http.StatusFound:
				case to.Query().Get("code") != "":
					codes.Add(1)
				case to.Query().Get("error") == "invalid_request_uri":
					refused.Add(1)
				}
			})
			if codes.Load() != 1 || refused.Load() != callers-1 {
				t.Fatalf("round %d: %d codes of one pushed request, %d refusals", round, codes.Load(), refused.Load())
			}
		}
	})
}
