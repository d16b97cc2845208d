package entra_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/flows/directory/entra"
)

// The people and companies of the tests.
const (
	tenant      = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	otherTenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	strangers   = "9188040d-6c67-4c5b-b112-36a304b66dad" // consumers' accounts
	person      = "690222be-ff1a-4d56-abd1-7e4f7d38e474"
	application = "00001111-aaaa-2222-bbbb-3333cccc4444"
	secret      = "the-secret-of-the-application"
	returnURL   = "https://id.example/user/azure/fjord/callback"
	authority   = "https://login.microsoftonline.com"
)

// signingKey is a key of the fake. Making one takes a while, so all tests share them.
type signingKey struct {
	*rsa.PrivateKey
	kid    string
	issuer string // in the key document; "" for none
}

var makeKeys = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i, bits := range []int{2048, 2048, 1024} {
		keys[i], _ = rsa.GenerateKey(rand.Reader, bits)
	}
	return keys
})

// fake is Entra ID as an [http.RoundTripper]: without a socket, so that it works
// in a synctest bubble.
type fake struct {
	t       testing.TB
	version int
	tenant  string // of the metadata: a tenant ID, or organizations

	mu      sync.Mutex
	keys    []signingKey // published
	signer  signingKey
	delay   map[string]time.Duration    // by path
	fail    map[string]http.HandlerFunc // instead of the answer, by path
	asked   map[string]int
	nonce   string               // of the sign-in under way
	change  func(map[string]any) // of the claims
	forge   func(claims map[string]any) string
	granted url.Values // what the token endpoint was given
}

const (
	pathKeys  = "/discovery/keys"
	pathToken = "/oauth2/token"
)

func newFake(t testing.TB) *fake {
	f := &fake{
		t: t, version: 2, tenant: tenant,
		delay: map[string]time.Duration{}, fail: map[string]http.HandlerFunc{}, asked: map[string]int{},
	}
	f.signer = signingKey{makeKeys()[0], "first", ""}
	f.keys = []signingKey{f.signer}
	return f
}

// config is the directory's configuration before the test changes it.
func (f *fake) config() entra.Config {
	return entra.Config{ClientID: application, ClientSecret: secret, Tenants: []string{tenant}, Transport: f}
}

func (f *fake) directory(change ...func(*entra.Config)) *entra.Directory {
	f.t.Helper()
	c := f.config()
	for _, do := range change {
		do(&c)
	}
	d, err := entra.New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

// issuer is what Entra writes into the tokens of a tenant.
func (f *fake) issuer(tenant string) string {
	if f.version == 1 {
		return "https://sts.windows.net/" + tenant + "/"
	}
	return authority + "/" + tenant + "/v2.0"
}

// RoundTrip implements [http.RoundTripper].
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != authority {
		f.t.Errorf("%s was asked for", r.URL)
	}
	kind := r.URL.Path
	for _, known := range []string{pathKeys, pathToken, "/.well-known/openid-configuration"} {
		if strings.HasSuffix(r.URL.Path, known) {
			kind = known
		}
	}
	f.mu.Lock()
	f.asked[kind]++
	delay, fail := f.delay[kind], f.fail[kind]
	f.mu.Unlock()
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(delay):
	}
	w := httptest.NewRecorder()
	switch {
	case fail != nil:
		fail(w, r)
	case kind == pathKeys:
		f.writeKeys(w)
	case kind == pathToken:
		f.writeToken(w, r)
	default:
		f.writeMetadata(w, r)
	}
	return w.Result(), nil
}

func (f *fake) count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[kind]
}

// set changes the fake while it is in use.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) writeMetadata(w http.ResponseWriter, r *http.Request) {
	base := authority + "/" + f.tenant
	want, issuer := "/"+f.tenant+"/v2.0/.well-known/openid-configuration", f.issuer(f.tenant)
	if f.version == 1 {
		want = "/" + f.tenant + "/.well-known/openid-configuration"
	}
	if f.tenant == "organizations" {
		issuer = f.issuer("{tenantid}")
	}
	if r.URL.Path != want {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, map[string]any{
		"issuer": issuer, "authorization_endpoint": base + "/oauth2/authorize",
		"token_endpoint": base + pathToken, "jwks_uri": base + pathKeys,
	})
}

func (f *fake) writeKeys(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := []map[string]any{{"kty": "XYZ", "kid": "unheard-of"}}
	for _, k := range f.keys {
		key := map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.kid,
			"n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes()),
		}
		if k.issuer != "" {
			key["issuer"] = k.issuer
		}
		keys = append(keys, key)
	}
	writeJSON(w, map[string]any{"keys": keys})
}

func (f *fake) writeToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.granted = r.PostForm
	now := time.Now()
	claims := map[string]any{
		"iss": f.issuer(tenant), "aud": application, "tid": tenant, "oid": person, "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": f.nonce,
		"ver": fmt.Sprint(f.version, ".0"), "name": "Kari Nordmann", "preferred_username": "kari@havbruk.example",
	}
	if f.change != nil {
		f.change(claims)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token := ""
	if f.forge != nil {
		token = f.forge(claims)
	} else {
		token = sign(f.signer, claims)
	}
	writeJSON(w, map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": "not-ours-to-read", "id_token": token})
}

// sign returns the claims as a token of Entra.
func sign(k signingKey, claims map[string]any) string {
	return signWith(map[string]any{"typ": "JWT", "alg": "RS256", "kid": k.kid}, claims, func(b []byte) []byte {
		sum := sha256.Sum256(b)
		sig, err := rsa.SignPKCS1v15(nil, k.PrivateKey, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return sig
	})
}

func signWith(header, claims map[string]any, sign func([]byte) []byte) string {
	input := b64(encode(header)) + "." + b64(encode(claims))
	return input + "." + b64(sign([]byte(input)))
}

// hs256 signs with the public key as if it were a shared secret (RFC 8725,
// section 2.1).
func hs256(k signingKey, claims map[string]any) string {
	return signWith(map[string]any{"typ": "JWT", "alg": "HS256", "kid": k.kid}, claims, func(b []byte) []byte {
		mac := hmac.New(sha256.New, k.N.Bytes())
		mac.Write(b)
		return mac.Sum(nil)
	})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(encode(v))
}

// start begins a sign-in and tells the fake its nonce.
func (f *fake) start(d *entra.Directory) (directory.Hop, url.Values) {
	f.t.Helper()
	hop, err := d.Start(f.t.Context(), directory.SignIn{ReturnURL: returnURL, State: "the.state", Lang: "nb"})
	if err != nil {
		f.t.Fatal(err)
	}
	u, err := url.Parse(hop.URL)
	if err != nil {
		f.t.Fatal(err)
	}
	f.set(func() { f.nonce = u.Query().Get("nonce") })
	return hop, u.Query()
}

// signIn signs a person in, with the given parameters beside the code.
func (f *fake) signIn(d *entra.Directory, pairs ...string) (directory.Identity, error) {
	f.t.Helper()
	hop, _ := f.start(d)
	answer := map[string]string{"code": "the-code", "state": "the.state"}
	for i := 0; i < len(pairs); i += 2 {
		answer[pairs[i]] = pairs[i+1]
	}
	return d.Finish(f.t.Context(), hop.Kept, answer)
}
