// Package entra proves users in company directories of Microsoft Entra ID
// (formerly Azure Active Directory), by OpenID Connect. Its README says how to
// register the application there.
package entra

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/connectid-kit/connectid/flows/directory"
)

// Config configures a [Directory]. ClientID, ClientSecret and Tenants are
// required.
type Config struct {
	ClientID     string // the application (client) ID
	ClientSecret string // the value of a client secret of the application
	// Tenants are the directory (tenant) IDs of the companies whose people may
	// register. With one, Microsoft's pages let in nobody else; with several, the
	// application must be registered as multi-tenant. There is no way to say
	// "all": anybody can make a tenant.
	Tenants []string
	// Version is that of the endpoints and of the tokens they issue: 2, the
	// default, or 1.
	Version int
	// Authority is the sign-in service; default https://login.microsoftonline.com.
	// National clouds have others.
	Authority string
	// FormPost has answers posted to us rather than written into the address, so
	// that they reach no log on the way.
	FormPost bool
	// Prompt is what Microsoft's page asks; default select_account, so that
	// nobody is tied to the person who last used a shared computer.
	Prompt string
	// Timeout bounds all requests of one step together; default 3 seconds. The
	// kit answers its own within 5.
	Timeout time.Duration
	// Skew is how far the clocks may differ; default 2 minutes, at most 5.
	Skew time.Duration
	// Refresh is the age at which metadata and keys are fetched again; default 6
	// hours. Meanwhile, and as long as that fails, the old ones are used.
	Refresh time.Duration
	// MaxStale is the age at which they are not used any more; default 72 hours.
	MaxStale time.Duration
	// Transport carries the requests; default [http.DefaultTransport].
	Transport http.RoundTripper
	// InsecureAllowHTTP permits an Authority with http, on loopback only.
	InsecureAllowHTTP bool
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (c Config) withDefaults() (Config, error) {
	var errs []error
	if c.ClientID == "" {
		errs = append(errs, errors.New("missing ClientID: give the application (client) ID"))
	}
	if c.ClientSecret == "" {
		errs = append(errs, errors.New("missing ClientSecret: give the value of a client secret, not its ID"))
	}
	c.Tenants = slices.Clone(c.Tenants)
	if len(c.Tenants) == 0 {
		errs = append(errs, errors.New("missing Tenants: list the directory (tenant) IDs whose people may register"))
	}
	for i, t := range c.Tenants {
		c.Tenants[i] = strings.ToLower(t)
		if !guid.MatchString(c.Tenants[i]) {
			errs = append(errs, fmt.Errorf("bad Tenants %q: want a directory (tenant) ID such as 72f988bf-86f1-41af-91ab-2d7cd011db47, not a name", t))
		}
	}
	c.Version = cmp.Or(c.Version, 2)
	if c.Version != 1 && c.Version != 2 {
		errs = append(errs, fmt.Errorf("bad Version %d: want 1 or 2", c.Version))
	}
	c.Authority = strings.TrimSuffix(cmp.Or(c.Authority, "https://login.microsoftonline.com"), "/")
	if err := c.checkAddress(c.Authority); err != nil {
		errs = append(errs, fmt.Errorf("bad Authority %q: %w", c.Authority, err))
	}
	c.Prompt = cmp.Or(c.Prompt, "select_account")
	for _, d := range []struct {
		name       string
		value      *time.Duration
		def, least time.Duration
		most       time.Duration
	}{
		{"Timeout", &c.Timeout, 3 * time.Second, time.Millisecond, time.Minute},
		{"Skew", &c.Skew, 2 * time.Minute, 0, 5 * time.Minute},
		{"Refresh", &c.Refresh, 6 * time.Hour, time.Minute, 7 * 24 * time.Hour},
		{"MaxStale", &c.MaxStale, 72 * time.Hour, time.Minute, 30 * 24 * time.Hour},
	} {
		*d.value = cmp.Or(*d.value, d.def)
		if *d.value < d.least || *d.value > d.most {
			errs = append(errs, fmt.Errorf("bad %s %v: want %v to %v", d.name, *d.value, d.least, d.most))
		}
	}
	if c.MaxStale < c.Refresh {
		errs = append(errs, fmt.Errorf("bad MaxStale %v: want at least Refresh, %v", c.MaxStale, c.Refresh))
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	return c, errors.Join(errs...)
}

// checkAddress refuses addresses that a secret or a decision must not depend on.
func (c Config) checkAddress(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("it can not be parsed")
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("want scheme, host and path")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http" || !c.InsecureAllowHTTP:
		return errors.New("want https")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("InsecureAllowHTTP is for loopback addresses only")
	}
	return nil
}

// Directory is one application registered with Entra ID. It is safe for
// concurrent use.
type Directory struct {
	c    Config
	http *http.Client
	meta cached[metadata]
	keys cached[keySet]
}

var _ directory.Directory = (*Directory)(nil)

// New returns the directory, or all that is wrong with the configuration. It asks
// nobody anything: metadata and keys are fetched when they are first needed.
func New(c Config) (*Directory, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	d := &Directory{c: c, http: &http.Client{
		Transport: limited{c.Transport},
		// What we ask has one place; who is sent elsewhere may be sent anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	d.meta = cached[metadata]{fetch: d.fetchMetadata, timeout: c.Timeout, refresh: c.Refresh, maxStale: c.MaxStale}
	d.keys = cached[keySet]{fetch: d.fetchKeys, timeout: c.Timeout, refresh: c.Refresh, maxStale: c.MaxStale}
	return d, nil
}

// Warm fetches metadata and keys, so that the first user does not wait for them.
// It need not be called.
func (d *Directory) Warm(ctx context.Context) error {
	if _, err := d.meta.get(ctx, nil); err != nil {
		return err
	}
	_, err := d.keys.get(ctx, nil)
	return err
}

// kept is what a sign-in needs when it finishes.
type kept struct {
	Verifier  string `json:"v"` // of PKCE (RFC 7636)
	Nonce     string `json:"n"`
	ReturnURL string `json:"r"`
}

// Start implements [directory.Directory].
func (d *Directory) Start(ctx context.Context, s directory.SignIn) (directory.Hop, error) {
	ctx, cancel := context.WithTimeout(ctx, d.c.Timeout)
	defer cancel()
	m, err := d.meta.get(ctx, nil)
	if err != nil {
		return directory.Hop{}, err
	}
	k := kept{Verifier: oauth2.GenerateVerifier(), Nonce: rand.Text(), ReturnURL: s.ReturnURL}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(k.Verifier),
		oauth2.SetAuthURLParam("nonce", k.Nonce),
		oauth2.SetAuthURLParam("prompt", d.c.Prompt),
		oauth2.SetAuthURLParam("response_mode", d.responseMode()),
	}
	if s.Lang != "" {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", s.Lang))
	}
	b, err := json.Marshal(k)
	return directory.Hop{URL: d.oauth(m, s.ReturnURL).AuthCodeURL(s.State, options...), Kept: b}, err
}

func (d *Directory) responseMode() string {
	if d.c.FormPost {
		return "form_post"
	}
	return "query"
}

func (d *Directory) oauth(m metadata, returnURL string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: d.c.ClientID, ClientSecret: d.c.ClientSecret, RedirectURL: returnURL,
		// Entra leaves oid and tid out of tokens without the scope profile.
		Scopes: []string{"openid", "profile"},
		Endpoint: oauth2.Endpoint{
			AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// Finish implements [directory.Directory].
func (d *Directory) Finish(ctx context.Context, before []byte, answer map[string]string) (directory.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, d.c.Timeout)
	defer cancel()
	var k kept
	if err := json.Unmarshal(before, &k); err != nil || k.Verifier == "" || k.Nonce == "" {
		return directory.Identity{}, refused("what was kept of the sign-in is damaged")
	}
	// OpenID Connect Core, section 3.1.2.6; Entra says access_denied when the
	// user declines, and error_subcode=cancel where she just closes the page.
	switch code := answer["error"]; {
	case code == "access_denied" || code != "" && answer["error_subcode"] == "cancel":
		return directory.Identity{}, fmt.Errorf("entra: %w", directory.ErrCancelled)
	case code != "":
		return directory.Identity{}, refused("the directory answers %.60q", code)
	case answer["code"] == "":
		return directory.Identity{}, refused("the answer has no code")
	}
	m, err := d.meta.get(ctx, nil)
	if err != nil {
		return directory.Identity{}, err
	}
	token, err := d.exchange(ctx, m, k, answer["code"])
	if err != nil {
		return directory.Identity{}, err
	}
	return d.verify(ctx, m, token, k.Nonce, answer["iss"])
}

// exchange fetches the ID token for the code.
func (d *Directory) exchange(ctx context.Context, m metadata, k kept, code string) (string, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, d.http)
	t, err := d.oauth(m, k.ReturnURL).Exchange(ctx, code, oauth2.VerifierOption(k.Verifier))
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// Its own text holds the whole answer.
		switch {
		case e.ErrorCode == "invalid_grant":
			return "", refused("the token endpoint refuses the code")
		case e.ErrorCode != "":
			return "", fmt.Errorf("entra: the token endpoint answers %.60q", e.ErrorCode)
		case e.Response != nil:
			return "", fmt.Errorf("entra: the token endpoint answers with status %d", e.Response.StatusCode)
		}
		return "", errors.New("entra: the token endpoint answers with an error")
	}
	if err != nil {
		return "", fmt.Errorf("entra: token endpoint: %w", bare(err))
	}
	id, _ := t.Extra("id_token").(string)
	if id == "" {
		return "", refused("the token endpoint gave no ID token")
	}
	return id, nil
}

// bare takes the address, which may hold more than is to be logged, off an error
// of the HTTP client.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// refused returns an error that matches [directory.ErrRefused].
func refused(format string, args ...any) error {
	return fmt.Errorf("entra: %w: "+format, append([]any{directory.ErrRefused}, args...)...)
}
