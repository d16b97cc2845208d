package extid_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// Each kit has the grant: a client needs Type among its GrantTypes, and exchanges
// the extidCode that POST v1/client/extid has given to it.
func ExampleGrant() {
	ctx := context.Background()
	st := memstore.New()
	secret, hash := oauth.NewSecret()
	st.PutClient(ctx, store.Client{
		ID: "news", PartnerID: "publisher", Secrets: []string{hash},
		GrantTypes: []string{"client_credentials", extid.Type},
	})
	kit, err := connectid.New(connectid.Config{
		Store: st, Keys: [][]byte{[]byte("a key of at least 32 random bytes")}, LoginURL: "https://login.example/user",
		Sender: message.SenderFunc(func(context.Context, message.Message) error { return nil }),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	post := func(path, auth, contentType, body string) string {
		r := httptest.NewRequest("POST", "https://login.example"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		if r.SetBasicAuth("news", secret); auth != "" {
			r.Header.Set("Authorization", "Bearer "+auth)
		}
		w := httptest.NewRecorder()
		kit.ServeHTTP(w, r)
		return w.Body.String()
	}
	field := func(name, answer string) string {
		_, rest, _ := strings.Cut(answer, `"`+name+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	const form = "application/x-www-form-urlencoded"
	client := field("access_token", post("/user/oauth/token", "", form, "grant_type=client_credentials"))
	answer := post("/capi/v1/client/extid", client, "application/json", `{"externalId": "4711", "credentialType": "D"}`)
	fmt.Println(field("credential", answer))
	exchange := url.Values{"grant_type": {extid.Type}, "code": {field("extidCode", answer)}}.Encode()
	fmt.Println(len(field("access_token", post("/user/oauth/token", "", form, exchange))))
	fmt.Println(field("error", post("/user/oauth/token", "", form, exchange)))
	// Output:
	// AID:4711
	// 43
	// invalid_grant
}

// The pattern of this package, for a grant of one's own: a code is a random value
// of which only the digest is stored, together with the ID of the grant that it
// will give. One atomic call uses it up; whoever presents it again is refused, and
// what it gave is revoked. Confirm asks once more when the tokens are stored.
func Example_pattern() {
	const urn = "https://news.example/grant_type/gift"
	const kind store.TicketKind = "gift"
	st := memstore.New()
	gift := oauth.ExtensionGrant{
		Type: urn, BasicOnly: true,
		Exchange: func(ctx context.Context, r oauth.GrantRequest) (oauth.GrantResult, error) {
			t, err := st.TakeTicket(ctx, kind, store.DigestOf(r.Param("code")), r.Client.ID)
			switch {
			case errors.Is(err, store.ErrUsed):
				return oauth.GrantResult{GrantID: t.GrantID}, &oauth.Error{Code: oauth.InvalidGrant, Description: "used before"}
			case errors.Is(err, store.ErrNotFound):
				return oauth.GrantResult{}, &oauth.Error{Code: oauth.InvalidGrant, Description: "unknown or expired"}
			case err != nil:
				return oauth.GrantResult{}, err // 503: the client may try again
			}
			return oauth.GrantResult{UserID: t.UserID, GrantID: t.GrantID, Confirm: func(ctx context.Context) error {
				u, err := st.User(ctx, t.UserID)
				if errors.Is(err, store.ErrNotFound) || u.Blocked {
					return &oauth.Error{Code: oauth.InvalidGrant, Description: "the user is gone"}
				}
				return err
			}}, nil
		},
	}

	ctx := context.Background()
	secret, hash := oauth.NewSecret()
	st.PutClient(ctx, store.Client{ID: "news", Secrets: []string{hash}, GrantTypes: []string{urn}})
	st.CreateUser(ctx, store.User{ID: "5d41402abc4b2a76b9719d911017c592", Number: 1})
	st.PutTicket(ctx, store.Ticket{
		Kind: kind, Hash: store.DigestOf("a random value"), ClientID: "news", UserID: "5d41402abc4b2a76b9719d911017c592",
		GrantID: oauth.NewGrantID(), ExpiresAt: time.Now().Add(time.Minute),
	})
	kit, err := connectid.New(connectid.Config{
		Store: st, Keys: [][]byte{[]byte("a key of at least 32 random bytes")}, LoginURL: "https://login.example/user",
		Sender:          message.SenderFunc(func(context.Context, message.Message) error { return nil }),
		ExtensionGrants: []oauth.ExtensionGrant{gift},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r := httptest.NewRequest("POST", "https://login.example/user/oauth/token", strings.NewReader("code=a+random+value&grant_type="+url.QueryEscape(urn)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("news", secret)
		w := httptest.NewRecorder()
		kit.ServeHTTP(w, r)
		fmt.Println(w.Code == http.StatusOK)
	}
	grants := 0
	for range st.UserGrants(ctx, "5d41402abc4b2a76b9719d911017c592") {
		grants++
	}
	fmt.Println(grants, "grants are left")
	// Output:
	// true
	// false
	// 0 grants are left
}
