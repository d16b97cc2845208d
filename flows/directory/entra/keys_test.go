package entra_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/flows/directory/entra"
)

const pathMetadata = "/.well-known/openid-configuration"

func down(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "down", http.StatusInternalServerError)
}

func wantPerson(t *testing.T, f *fake, d *entra.Directory) {
	t.Helper()
	if got, err := f.signIn(d); err != nil || got.ObjectID != person {
		t.Errorf("Finish = %v, %v; want %s", got, err, person)
	}
}

// wantOutage says that nobody was proven, and that it is not her fault.
func wantOutage(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, directory.ErrRefused) || errors.Is(err, directory.ErrCancelled) {
		t.Errorf("error %v; want an outage", err)
	}
}

func TestKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d := f.directory()
		wantPerson(t, f, d)
		wantPerson(t, f, d)
		if n := f.count(pathKeys); n != 1 {
			t.Errorf("keys were fetched %d times; want once", n)
		}
		time.Sleep(time.Hour)
		next := signingKey{makeKeys()[1], "second", ""}
		f.set(func() { f.keys, f.signer = append(f.keys, next), next })
		wantPerson(t, f, d)
		if n := f.count(pathKeys); n != 2 {
			t.Errorf("keys were fetched %d times; want once more, for the new key", n)
		}
		// The first key is withdrawn: within a day nothing that it signs passes.
		f.set(func() { f.keys, f.signer = []signingKey{next}, f.keys[0] })
		time.Sleep(7 * time.Hour)
		f.signIn(d) // may still pass, and has the keys fetched
		time.Sleep(time.Minute)
		if _, err := f.signIn(d); !errors.Is(err, directory.ErrRefused) {
			t.Errorf("a withdrawn key: %v; want it refused", err)
		}
	})
}

func TestOutagesOfTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d := f.directory()
		if err := d.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.fail[pathKeys], f.fail[pathMetadata] = down, down })
		for range 3 * 24 {
			time.Sleep(55 * time.Minute)
			wantPerson(t, f, d)
		}
		if n := f.count(pathKeys); n < 10 || n > 3*24+1 {
			t.Errorf("keys were asked for %d times in three days; want a few tries", n)
		}
		before := f.count(pathKeys)
		for range 100 {
			wantPerson(t, f, d)
			synctest.Wait()
		}
		if n := f.count(pathKeys) - before; n > 1 {
			t.Errorf("100 sign-ins at once: keys were asked for %d times", n)
		}
		time.Sleep(24 * time.Hour)
		_, err := d.Start(t.Context(), directory.SignIn{ReturnURL: returnURL, State: "x"})
		wantOutage(t, err)
		f.set(func() { clear(f.fail) })
		wantPerson(t, f, d) // without a restart
	})
}

func TestProviderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d := f.directory()
		if err := d.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.delay[pathKeys], f.delay[pathMetadata] = time.Hour, time.Hour })
		time.Sleep(7 * time.Hour)
		began := time.Now()
		wantPerson(t, f, d)
		if took := time.Since(began); took != 0 {
			t.Errorf("a sign-in with old keys took %v; want no waiting", took)
		}
		// A key that nobody has seen can not be fetched: an outage, in time.
		time.Sleep(time.Minute)
		f.set(func() { f.signer = signingKey{makeKeys()[1], "second", ""} })
		began = time.Now()
		_, err := f.signIn(d)
		wantOutage(t, err)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestColdStartDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		d := f.directory()
		f.fail[pathMetadata] = down
		_, err := d.Start(t.Context(), directory.SignIn{ReturnURL: returnURL, State: "x"})
		wantOutage(t, err)
		f.set(func() { clear(f.fail); f.delay[pathMetadata] = time.Minute })
		began := time.Now()
		_, err = d.Start(t.Context(), directory.SignIn{ReturnURL: returnURL, State: "x"})
		wantOutage(t, err)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		f.set(func() { clear(f.delay); f.fail[pathKeys] = down })
		time.Sleep(time.Second) // the fetch that nobody waits for has ended, too
		_, err = f.signIn(d)
		wantOutage(t, err)
		f.set(func() { clear(f.fail) })
		wantPerson(t, f, d)
	})
}

// However many ask, there is one fetch; and made-up keys are no stream of fetches.
func TestFetchesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.delay[pathMetadata] = time.Second
		d := f.directory()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := d.Warm(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if m, k := f.count(pathMetadata), f.count(pathKeys); m != 1 || k != 1 {
			t.Errorf("50 callers: metadata was fetched %d times, keys %d times; want once each", m, k)
		}
		f.set(func() { f.signer.kid = "made-up" })
		for range 100 {
			if _, err := f.signIn(d); !errors.Is(err, directory.ErrRefused) {
				t.Errorf("a made-up key: %v", err)
			}
			time.Sleep(time.Second)
		}
		if n := f.count(pathKeys); n > 12 {
			t.Errorf("100 made-up keys in 100 seconds: %d fetches", n)
		}
	})
}

// A caller who gives up does not spoil it for the others.
func TestFetchOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.delay[pathMetadata] = time.Second
		d := f.directory()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := d.Warm(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Warm = %v", err)
		}
		time.Sleep(2 * time.Second)
		f.set(func() { f.fail[pathMetadata] = down })
		wantPerson(t, f, d)
	})
}

func TestMetadataThatCanNotBeTrusted(t *testing.T) {
	t.Parallel()
	good := map[string]any{
		"issuer": authority + "/" + tenant + "/v2.0", "authorization_endpoint": authority + "/a",
		"token_endpoint": authority + "/t", "jwks_uri": authority + "/k",
	}
	for name, change := range map[string]func(map[string]any){
		"issuer of another tenant": func(m map[string]any) { m["issuer"] = authority + "/" + otherTenant + "/v2.0" },
		"issuer of all tenants":    func(m map[string]any) { m["issuer"] = authority + "/{tenantid}/v2.0" },
		"no issuer":                func(m map[string]any) { delete(m, "issuer") },
		"keys over http":           func(m map[string]any) { m["jwks_uri"] = "http://login.microsoftonline.com/k" },
		"token endpoint over http": func(m map[string]any) { m["token_endpoint"] = "http://127.0.0.1/t" },
		"no authorization endpoint": func(m map[string]any) {
			delete(m, "authorization_endpoint")
		},
		"a script for a page": func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" },
		"a user in the host":  func(m map[string]any) { m["token_endpoint"] = "https://login.microsoftonline.com@evil.example/" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.fail[pathMetadata] = func(w http.ResponseWriter, _ *http.Request) {
				doc := map[string]any{}
				for k, v := range good {
					doc[k] = v
				}
				change(doc)
				writeJSON(w, doc)
			}
			_, err := f.directory().Start(t.Context(), directory.SignIn{ReturnURL: returnURL, State: "x"})
			wantOutage(t, err)
		})
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	d := f.directory(func(c *entra.Config) { c.FormPost = true })
	hop, q := f.start(d)
	if want := authority + "/" + tenant + "/oauth2/authorize?"; !strings.HasPrefix(hop.URL, want) {
		t.Errorf("the hop leads to %s; want %s…", hop.URL, want)
	}
	for name, want := range map[string]string{
		"client_id": application, "redirect_uri": returnURL, "response_type": "code", "response_mode": "form_post",
		"scope": "openid profile", "state": "the.state", "prompt": "select_account", "code_challenge_method": "S256", "ui_locales": "nb",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s is %q; want %q", name, got, want)
		}
	}
	if len(q.Get("code_challenge")) != 43 || len(q.Get("nonce")) < 22 {
		t.Errorf("code_challenge %q, nonce %q: too short", q.Get("code_challenge"), q.Get("nonce"))
	}
	if _, again := f.start(d); again.Get("nonce") == q.Get("nonce") || again.Get("code_challenge") == q.Get("code_challenge") {
		t.Error("two sign-ins have the same nonce or challenge")
	}
	if strings.Contains(hop.URL, secret) {
		t.Error("the address tells the secret")
	}
	wantPerson(t, f, d)
	for name, want := range map[string]string{
		"grant_type": "authorization_code", "code": "the-code", "redirect_uri": returnURL, "client_id": application, "client_secret": secret,
	} {
		if got := f.granted.Get(name); got != want {
			t.Errorf("the token endpoint got %s=%q; want %q", name, got, want)
		}
	}
	if len(f.granted.Get("code_verifier")) != 43 {
		t.Errorf("the token endpoint got code_verifier=%q", f.granted.Get("code_verifier"))
	}
}

// What was kept of one sign-in is no good for another: the nonce differs.
func TestKeptOfAnotherSignIn(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	d := f.directory()
	first, _ := f.start(d)
	f.start(d) // the nonce of the token is this one's
	for _, kept := range [][]byte{first.Kept, nil, []byte("{}"), []byte("x")} {
		got, err := d.Finish(t.Context(), kept, map[string]string{"code": "the-code"})
		if !errors.Is(err, directory.ErrRefused) || got != (directory.Identity{}) {
			t.Errorf("Finish with %q = %v, %v; want it refused", kept, got, err)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := entra.New(entra.Config{
		Tenants: []string{"havbruk.example", "common"}, Version: 3, Authority: "http://login.example",
		Timeout: -1, Skew: time.Hour, Refresh: time.Second, MaxStale: time.Hour * 24 * 365,
	})
	if err == nil {
		t.Fatal("New took it")
	}
	for _, want := range []string{
		"ClientID", "ClientSecret", `"havbruk.example"`, `"common"`, "Version 3", "Authority", "Timeout", "Skew", "Refresh", "MaxStale",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	for _, c := range []entra.Config{
		{ClientID: "a", ClientSecret: "b"},
		{ClientID: "a", ClientSecret: "b", Tenants: []string{tenant}, Authority: "http://login.example", InsecureAllowHTTP: true},
		{ClientID: "a", ClientSecret: "b", Tenants: []string{tenant}, Refresh: 48 * time.Hour, MaxStale: 24 * time.Hour},
	} {
		if _, err := entra.New(c); err == nil {
			t.Errorf("New took %+v", c)
		}
	}
	for _, c := range []entra.Config{
		{ClientID: "a", ClientSecret: "b", Tenants: []string{strings.ToUpper(tenant)}},
		{ClientID: "a", ClientSecret: "b", Tenants: []string{tenant}, Authority: "http://127.0.0.1:8083", InsecureAllowHTTP: true},
	} {
		if _, err := entra.New(c); err != nil {
			t.Errorf("New(%+v): %v", c, err)
		}
	}
}
