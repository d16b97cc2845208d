// Package company is a demo of a company directory: it speaks as much of
// OpenID Connect as Microsoft Entra ID does with flows/directory/entra, and lets
// its visitors be whoever they like. It is for demos on one's own machine only.
package company

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Person is someone whom visitors can be.
type Person struct {
	Name     string
	Title    string
	ObjectID string // in the form of a GUID
	Tenant   string // of another company; default Config.Tenant
}

// Config configures a [Directory]. All fields are required.
type Config struct {
	Base         string // the directory's own origin, such as http://127.0.0.1:8083
	Company      string // name of the company
	Tenant       string // in the form of a GUID
	ClientID     string
	ClientSecret string
	RedirectURIs []string
	People       []Person
}

// Directory is the demo's directory: an [http.Handler].
type Directory struct {
	c       Config
	key     *rsa.PrivateKey
	signer  jose.Signer
	handler http.Handler

	mu    sync.Mutex
	codes map[string]code
}

// code is a sign-in that is under way.
type code struct {
	who                           Person
	nonce, challenge, redirectURI string
	expires                       time.Time
}

//go:embed choose.html
var choosePage string

//go:embed company.css
var style []byte

var choose = template.Must(template.New("choose").Parse(choosePage))

// New returns the directory, with a key of its own.
func New(c Config) (*Directory, error) {
	for name, value := range map[string]string{
		"Base": c.Base, "Company": c.Company, "Tenant": c.Tenant, "ClientID": c.ClientID, "ClientSecret": c.ClientSecret,
	} {
		if value == "" {
			return nil, fmt.Errorf("company: missing %s", name)
		}
	}
	if len(c.RedirectURIs) == 0 {
		return nil, errors.New("company: missing RedirectURIs")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("company: %w", err)
	}
	d := &Directory{c: c, key: key, codes: map[string]code{}}
	d.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "demo"}}, nil)
	if err != nil {
		return nil, fmt.Errorf("company: %w", err)
	}
	mux := http.NewServeMux()
	tenant := "/" + c.Tenant
	mux.HandleFunc("GET "+tenant+"/v2.0/.well-known/openid-configuration", d.metadata)
	mux.HandleFunc("GET "+tenant+"/discovery/v2.0/keys", d.keys)
	mux.HandleFunc("GET "+tenant+"/oauth2/v2.0/authorize", d.authorize)
	mux.HandleFunc("POST "+tenant+"/oauth2/v2.0/token", d.token)
	mux.HandleFunc("GET /company.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(style)
	})
	d.handler = mux
	return d, nil
}

// ServeHTTP answers for the whole directory.
func (d *Directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// No form-action: the browser would hold it against every redirect that
	// follows, to the login server and on to a newspaper.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	d.handler.ServeHTTP(w, r)
}

func (d *Directory) issuer(tenant string) string { return d.c.Base + "/" + tenant + "/v2.0" }

func (d *Directory) metadata(w http.ResponseWriter, _ *http.Request) {
	base := d.c.Base + "/" + d.c.Tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                 d.issuer(d.c.Tenant),
		"authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"token_endpoint":         base + "/oauth2/v2.0/token",
		"jwks_uri":               base + "/discovery/v2.0/keys",
	})
}

func (d *Directory) keys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: d.key.Public(), KeyID: "demo", Use: "sig", Algorithm: "RS256"}}})
}

// answer is a way back to the application: a form that is posted there, or a link.
type answer struct {
	Person
	Fields [][2]string
	Link   string
}

// authorize shows whom one can be.
func (d *Directory) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case q.Get("client_id") != d.c.ClientID || !slices.Contains(d.c.RedirectURIs, q.Get("redirect_uri")):
		http.Error(w, "This application or its redirect URI is not registered.", http.StatusBadRequest)
		return
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "":
		http.Error(w, "This demo wants response_type=code with PKCE and a nonce.", http.StatusBadRequest)
		return
	}
	page := struct {
		Company, Action string
		Post            bool
		People          []answer
		Cancel          answer
	}{Company: d.c.Company, Action: q.Get("redirect_uri"), Post: q.Get("response_mode") == "form_post"}
	back := func(who Person, name, value string) answer {
		values := url.Values{name: {value}, "state": {q.Get("state")}}
		return answer{who, [][2]string{{name, value}, {"state", q.Get("state")}}, page.Action + "?" + values.Encode()}
	}
	for _, who := range d.c.People {
		page.People = append(page.People, back(who, "code", d.issue(code{who: who, nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirectURI: page.Action})))
	}
	page.Cancel = back(Person{}, "error", "access_denied")
	var b bytes.Buffer
	if err := choose.Execute(&b, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}

// maxCodes bounds the memory that visitors can take.
const maxCodes = 1000

func (d *Directory) issue(one code) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for c, old := range d.codes {
		if now.After(old.expires) || len(d.codes) >= maxCodes {
			delete(d.codes, c)
		}
	}
	c := rand.Text()
	one.expires = now.Add(10 * time.Minute)
	d.codes[c] = one
	return c
}

// redeem takes a code, which is good once.
func (d *Directory) redeem(r *http.Request) (code, error) {
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.codes[r.PostFormValue("code")]
	delete(d.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case r.PostFormValue("client_id") != d.c.ClientID || !same(r.PostFormValue("client_secret"), d.c.ClientSecret):
		return c, errors.New("invalid_client")
	case r.PostFormValue("grant_type") != "authorization_code":
		return c, errors.New("unsupported_grant_type")
	case !ok || time.Now().After(c.expires) || r.PostFormValue("redirect_uri") != c.redirectURI ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge:
		return c, errors.New("invalid_grant")
	}
	return c, nil
}

func (d *Directory) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	c, err := d.redeem(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	tenant := c.who.Tenant
	if tenant == "" {
		tenant = d.c.Tenant
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": d.issuer(tenant), "aud": d.c.ClientID, "tid": tenant, "oid": c.who.ObjectID, "sub": c.who.ObjectID,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": c.nonce, "ver": "2.0", "name": c.who.Name,
	})
	var signed *jose.JSONWebSignature
	if err == nil {
		signed, err = d.signer.Sign(claims)
	}
	var id string
	if err == nil {
		id, err = signed.CompactSerialize()
	}
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": rand.Text(), "id_token": id})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
