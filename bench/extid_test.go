package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/store"
)

const outsideID = "no.example.outside"

// outside is a client of whose readers the publisher knows who they are.
type outside struct {
	world
	secret string
	token  string // its own
}

func (w world) outside(t *testing.T) outside {
	t.Helper()
	secret, hash := oauth.NewSecret()
	if err := w.store.PutClient(t.Context(), store.Client{
		ID: outsideID, PartnerID: "partner", Secrets: []string{hash}, GrantTypes: []string{"client_credentials", "refresh_token", extid.Type},
		CallsPerMinute: 1 << 30, CallsPerSecond: 1 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	o := outside{world: w, secret: secret}
	_, answer := o.grant(url.Values{"grant_type": {"client_credentials"}})
	o.token, _ = answer["access_token"].(string)
	return o
}

func (o outside) send(path, contentType, body string, auth func(*http.Request)) (int, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, "https://id.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	auth(r)
	rec := httptest.NewRecorder()
	o.kit.ServeHTTP(rec, r)
	answer := map[string]any{}
	_ = json.Unmarshal(rec.Body.Bytes(), &answer) // an answer that is none has no fields
	return rec.Code, answer
}

func (o outside) grant(form url.Values) (int, map[string]any) {
	return o.send("/user/oauth/token", "application/x-www-form-urlencoded", form.Encode(), func(r *http.Request) { r.SetBasicAuth(outsideID, o.secret) })
}

func (o outside) identity(id string) (int, map[string]any) {
	return o.send("/capi/v1/client/extid", "application/json", `{"credentialType":"D","externalId":"`+id+`"}`, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+o.token)
	})
}

// One extidCode exchanged by many at once gives one token set, which the replays
// then revoke.
func TestRaceOneExternalCode(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, _ *http.Cookie) {
		o := w.outside(t)
		for round := range rounds(t) {
			_, answer := o.identity("4711")
			code, _ := answer["extidCode"].(string)
			var mu sync.Mutex
			var issued []string
			meet(func(int) {
				status, answer := o.grant(url.Values{"grant_type": {extid.Type}, "code": {code}})
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
			if status, _ := o.grant(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {issued[1]}}); status != http.StatusBadRequest {
				t.Fatalf("round %d: the refresh token of a replayed code passes: %d", round, status)
			}
		}
	})
}

// Of many first calls for one identity one makes the user, and all get her.
func TestRaceOneExternalIdentity(t *testing.T) {
	onBoth(t, func(t *testing.T, w world, _ *http.Cookie) {
		o := w.outside(t)
		for round := range rounds(t) {
			var mu sync.Mutex
			users, made, codes := map[any]bool{}, 0, map[any]bool{}
			meet(func(int) {
				status, answer := o.identity(fmt.Sprint(round))
				mu.Lock()
				defer mu.Unlock()
				if status != http.StatusOK {
					t.Errorf("round %d: %d %v", round, status, answer)
				}
				users[answer["uniqueId"]], codes[answer["extidCode"]] = true, true
				if answer["newUser"] == true {
					made++
				}
			})
			if len(users) != 1 || made != 1 || len(codes) != callers {
				t.Fatalf("round %d: %d users, %d of them made, %d codes", round, len(users), made, len(codes))
			}
		}
	})
}
