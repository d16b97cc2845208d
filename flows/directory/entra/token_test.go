package entra_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/flows/directory/entra"
)

// claim changes one claim; nil leaves it out.
func claim(name string, value any) func(*fake) {
	return func(f *fake) { f.change = func(c map[string]any) { c[name] = value } }
}

func forged(by func(f *fake, claims map[string]any) string) func(*fake) {
	return func(f *fake) { f.forge = func(c map[string]any) string { return by(f, c) } }
}

func many(c *entra.Config)     { c.Tenants = []string{tenant, strings.ToUpper(otherTenant)} }
func version1(c *entra.Config) { c.Version = 1 }
func v1(f *fake)               { f.version = 1 }
func companies(f *fake)        { f.tenant = "organizations" }

func all(changes ...func(*fake)) func(*fake) {
	return func(f *fake) {
		for _, do := range changes {
			do(f)
		}
	}
}

// TestTokens has each quirk of Entra's tokens, and each way to forge one.
func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		name   string
		fake   func(*fake)
		config func(*entra.Config)
		want   string // why it is refused; "" when the person is proven
	}{
		{name: "version 2"},
		{name: "version 1", fake: v1, config: version1},
		{name: "several tenants", fake: companies, config: many},
		{name: "several tenants, version 1", fake: all(companies, v1), config: func(c *entra.Config) { many(c); version1(c) }},
		{name: "audience as a list of one", fake: claim("aud", []string{application})},
		{name: "no e-mail, no name", fake: func(f *fake) {
			f.change = func(c map[string]any) { c["name"], c["preferred_username"], c["email"] = nil, nil, nil }
		}},
		{name: "an e-mail that is somebody else's", fake: claim("email", "victim@example.com")},
		{name: "tenant and person in capitals", fake: func(f *fake) {
			f.change = func(c map[string]any) { c["oid"] = strings.ToUpper(person) }
		}},
		{name: "groups elsewhere", fake: func(f *fake) { // "groups overage"
			f.change = func(c map[string]any) {
				c["_claim_names"] = map[string]string{"groups": "src1"}
				c["_claim_sources"] = map[string]any{"src1": map[string]string{"endpoint": "https://graph.windows.net/x"}}
			}
		}},
		{name: "clock a little behind", fake: claim("iat", now.Add(time.Minute).Unix())},
		{name: "expired a moment ago", fake: claim("exp", now.Add(-time.Minute).Unix())},
		{name: "azp is ours", fake: claim("azp", application)},
		{name: "key for all tenants", fake: func(f *fake) { f.keys[0].issuer = authority + "/{tenantid}/v2.0" }},

		{"version 1 token at version 2", claim("iss", "https://sts.windows.net/"+tenant+"/"), nil, "issued by"},
		{"version 2 token at version 1", all(v1, claim("iss", authority+"/"+tenant+"/v2.0")), version1, "issued by"},
		{"issuer without version", claim("iss", authority+"/"+tenant), nil, "issued by"},
		{"issuer with a slash more", claim("iss", authority+"/"+tenant+"/v2.0/"), nil, "issued by"},
		{"issuer of another host", claim("iss", "https://login.microsoftonline.com.evil.example/"+tenant+"/v2.0"), nil, "issued by"},
		{"issuer is the template itself", claim("iss", authority+"/{tenantid}/v2.0"), nil, "issued by"},
		{"no issuer", claim("iss", nil), nil, "issued by"},
		{"issuer of another tenant", all(companies, claim("iss", authority+"/"+otherTenant+"/v2.0")), many, "issued by"},
		{"tenant of another company", func(f *fake) {
			f.change = func(c map[string]any) { c["tid"], c["iss"] = otherTenant, f.issuer(otherTenant) }
		}, nil, "not allowed"},
		{"tenant that is not listed", func(f *fake) {
			companies(f)
			f.change = func(c map[string]any) { c["tid"], c["iss"] = strangers, f.issuer(strangers) }
		}, many, "not allowed"},
		{"another tenant's name with our issuer", claim("tid", otherTenant), many, "issued by"},
		{"no tenant", claim("tid", nil), nil, "no tenant"},
		{"empty tenant", claim("tid", ""), nil, "no tenant"},
		{"tenant is no ID", claim("tid", "havbruk.example"), nil, "no tenant"},
		{"tenant is a list", claim("tid", []string{tenant}), nil, "can not be read"},
		{"no person", claim("oid", nil), nil, "no person"},
		{"empty person", claim("oid", ""), nil, "no person"},
		{"person is no ID", claim("oid", "kari@havbruk.example"), nil, "no person"},
		{"another application's token", claim("aud", "another"), nil, "audience"},
		{"no audience", claim("aud", nil), nil, "audience"},
		{"audience is empty", claim("aud", []string{}), nil, "audience"},
		{"a second audience", claim("aud", []string{application, "another"}), nil, "audiences"},
		{"issued to another application", claim("azp", "another"), nil, "another application"},
		{"issued to another application, version 1", claim("appid", "another"), nil, "another application"},
		{"no nonce", claim("nonce", nil), nil, "nonce"},
		{"nonce of another sign-in", claim("nonce", "another"), nil, "nonce"},
		{"expired", claim("exp", now.Add(-10*time.Minute).Unix()), nil, "expired"},
		{"never expires", claim("exp", nil), nil, "expired"},
		{"not valid yet", claim("nbf", now.Add(10*time.Minute).Unix()), nil, "nbf"},
		{"issued in the future", claim("iat", now.Add(10*time.Minute).Unix()), nil, "in the future"},
		{"alg none", forged(func(f *fake, c map[string]any) string {
			return signWith(map[string]any{"alg": "none", "kid": "first"}, c, func([]byte) []byte { return nil })
		}), nil, "malformed"},
		{"alg None", forged(func(f *fake, c map[string]any) string {
			return signWith(map[string]any{"alg": "None"}, c, func([]byte) []byte { return nil })
		}), nil, "malformed"},
		{"alg HS256 with the public key", forged(func(f *fake, c map[string]any) string { return hs256(f.signer, c) }), nil, "malformed"},
		{"no kid", forged(func(f *fake, c map[string]any) string {
			k := f.signer
			k.kid = ""
			return sign(k, c)
		}), nil, "by which key"},
		{"made-up kid", forged(func(f *fake, c map[string]any) string {
			k := f.signer
			k.kid = "../../keys"
			return sign(k, c)
		}), nil, "unknown key"},
		{"another key under the same kid", forged(func(f *fake, c map[string]any) string {
			return sign(signingKey{makeKeys()[1], "first", ""}, c)
		}), nil, "signature is wrong"},
		{"the token brings its own key", forged(func(f *fake, c map[string]any) string {
			k := makeKeys()[1]
			token := sign(signingKey{k, "first", ""}, c)
			return "." + token
		}), nil, "malformed"},
		{"changed after it was signed", forged(func(f *fake, c map[string]any) string {
			parts := strings.Split(sign(f.signer, c), ".")
			c["oid"] = otherTenant
			return parts[0] + "." + b64(encode(c)) + "." + parts[2]
		}), nil, "signature is wrong"},
		{"signed by a small key", func(f *fake) {
			f.signer = signingKey{makeKeys()[2], "small", ""}
			f.keys = append(f.keys, f.signer)
		}, nil, "unknown key"},
		{"signed by the key of consumers", func(f *fake) {
			f.keys[0].issuer = authority + "/" + strangers + "/v2.0"
		}, nil, "may not use that key"},
		{"no ID token", forged(func(*fake, map[string]any) string { return "" }), nil, "no ID token"},
		{"no token at all", forged(func(*fake, map[string]any) string { return "e30.e30." }), nil, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			if tt.fake != nil {
				tt.fake(f)
			}
			var changes []func(*entra.Config)
			if tt.config != nil {
				changes = append(changes, tt.config)
			}
			if c := f.config(); tt.config != nil {
				if tt.config(&c); len(c.Tenants) > 1 {
					f.tenant = "organizations"
				}
			}
			got, err := f.signIn(f.directory(changes...))
			if tt.want == "" {
				if want := (directory.Identity{Tenant: tenant, ObjectID: person}); got != want || err != nil {
					t.Errorf("Finish = %v, %v; want %v", got, err, want)
				}
				return
			}
			if !errors.Is(err, directory.ErrRefused) || !strings.Contains(err.Error(), tt.want) || got != (directory.Identity{}) {
				t.Errorf("Finish = %v, %v; want nobody, refused with %q", got, err, tt.want)
			}
		})
	}
}

// TestAnswers has what comes back instead of a code, and codes that are no good.
func TestAnswers(t *testing.T) {
	t.Parallel()
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			w.Write([]byte(body))
		}
	}
	for _, tt := range []struct {
		name   string
		answer []string
		token  http.HandlerFunc
		delay  time.Duration
		want   error // nil for an outage
	}{
		{"declined", []string{"code", "", "error", "access_denied"}, nil, 0, directory.ErrCancelled},
		{"declined, with a code", []string{"error", "access_denied"}, nil, 0, directory.ErrCancelled},
		{"closed", []string{"code", "", "error", "invalid_request", "error_subcode", "cancel"}, nil, 0, directory.ErrCancelled},
		{"consent needed", []string{"code", "", "error", "consent_required"}, nil, 0, directory.ErrRefused},
		{"nothing", []string{"code", ""}, nil, 0, directory.ErrRefused},
		{"another issuer's answer", []string{"iss", "https://evil.example"}, nil, 0, directory.ErrRefused},
		{"spent code", nil, status(400, `{"error":"invalid_grant","error_description":"AADSTS54005 the-code"}`), 0, directory.ErrRefused},
		{"wrong secret", nil, status(401, `{"error":"invalid_client","error_description":"AADSTS7000215 `+secret+`"}`), 0, nil},
		{"token endpoint is down", nil, status(503, "<html>the-code</html>"), 0, nil},
		{"token endpoint says nothing of use", nil, status(200, "the-code"), 0, nil},
		{"token endpoint leads elsewhere", nil, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/token", http.StatusTemporaryRedirect)
		}, 0, nil},
		{"endless answer", nil, status(200, `{"id_token":"`+strings.Repeat("a", 1<<20)), 0, nil},
		{"token endpoint is slow", nil, nil, time.Minute, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			d := f.directory(func(c *entra.Config) { c.Timeout = 300 * time.Millisecond })
			f.fail[pathToken], f.delay[pathToken] = tt.token, tt.delay
			began := time.Now()
			got, err := f.signIn(d, tt.answer...)
			if got != (directory.Identity{}) || err == nil {
				t.Fatalf("Finish = %v, %v; want nobody", got, err)
			}
			for _, one := range []error{directory.ErrCancelled, directory.ErrRefused} {
				if errors.Is(err, one) != (one == tt.want) {
					t.Errorf("Finish: %v; want %v", err, tt.want)
				}
			}
			for _, word := range []string{"the-code", secret, "Bearer"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error tells %q: %v", word, err)
				}
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// FuzzIDToken finds nobody in tokens that Entra has not signed.
func FuzzIDToken(f *testing.F) {
	k := signingKey{makeKeys()[1], "first", ""}
	claims := map[string]any{"iss": authority + "/" + tenant + "/v2.0", "aud": application, "tid": tenant, "oid": person, "exp": 1 << 33}
	f.Add(sign(k, claims))
	f.Add(hs256(k, claims))
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + b64(encode(claims)) + ".")
	f.Add(`{"payload":"e30","signatures":[{"protected":"e30","signature":""}]}`)
	f.Add("..")
	e := newFake(f)
	d := e.directory()
	if err := d.Warm(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := d.Verify(t.Context(), token, "")
		if !errors.Is(err, directory.ErrRefused) || got != (directory.Identity{}) {
			t.Errorf("Verify = %v, %v", got, err)
		}
	})
}
