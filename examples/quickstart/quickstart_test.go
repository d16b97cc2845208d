package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/oauth/extid"
)

// output is what the quickstart prints, safe to read while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start runs the quickstart and returns its login server's origin and how to
// stop it, which fails the test unless the stop is clean.
func start(t *testing.T, args ...string) (origin string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &output{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, args, out, out) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("stop: %v\n%s", err, out)
			}
		case <-time.After(20 * time.Second):
			t.Error("does not stop")
		}
	})
	t.Cleanup(stop)
	printed := regexp.MustCompile(`(https?://localhost:\d+)/demo\n`)
	for range 1000 {
		if m := printed.FindStringSubmatch(out.String()); m != nil {
			return m[1], stop
		}
		select {
		case err := <-ended:
			t.Fatalf("ended: %v\n%s", err, out)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("not ready: %s", out)
	return "", nil
}

func getJSON(t *testing.T, c *http.Client, address string, into any) *http.Response {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v: %s", address, err, body)
	}
	return resp
}

func TestRefusesWhatOthersCouldReach(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:8080", ":8080", "192.168.1.7:8080", "[::]:8080", "example.com:8080", "8080", "127.0.0.1:65534", "127.0.0.1:http"} {
		err := run(t.Context(), []string{"-addr", addr, "-data", t.TempDir()}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "-addr") {
			t.Errorf("-addr %s: error %v", addr, err)
		}
	}
}

// What scripts rely on: info.json, outbox.json, addresses, tokens.
func TestContract(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "made", "by it")
	origin, _ := start(t, "-addr", "127.0.0.1:0", "-data", data)
	var i info
	getJSON(t, http.DefaultClient, origin+"/demo/info.json", &i)
	if i.LoginServer != origin+"/user" || i.APIServer != origin+"/capi" || i.PayServer != origin+"/mcpay" || i.Issuer != i.LoginServer {
		t.Errorf("servers: %+v", i)
	}
	var port int
	if _, err := fmt.Sscanf(origin, "http://localhost:%d", &port); err != nil {
		t.Fatal(err)
	}
	ids, public := "", false
	for _, c := range i.Clients {
		ids += c.ClientID + " "
		public = public || c.ClientSecret == ""
		if c.Name == "" || c.RedirectURI == "" || c.ReturnURL == "" || c.ErrorURL == "" || c.Homepage == "" {
			t.Errorf("client with a hole: %+v", c)
		}
	}
	if !strings.HasPrefix(ids, "no.mediaconnect.test no.mediaconnect.test2 ") || !public {
		t.Errorf("clients %s, a public one: %v", ids, public)
	}
	if want := fmt.Sprintf("http://127.0.0.1:%d/", port+1); i.Clients[0].Homepage != want {
		t.Errorf("the first newspaper is at %s, want %s", i.Clients[0].Homepage, want)
	}
	if len(i.Users) < 2 || i.Users[0].Mobile == "" || i.Users[0].Password == "" || i.Users[1].Password != "" {
		t.Errorf("users: %+v", i.Users)
	}

	var sent []json.RawMessage
	getJSON(t, http.DefaultClient, origin+"/demo/outbox.json", &sent)
	if sent == nil || len(sent) != 0 {
		t.Errorf("outbox: %s, want []", sent)
	}

	var metadata struct{ Issuer string }
	getJSON(t, http.DefaultClient, origin+"/.well-known/oauth-authorization-server/user", &metadata)
	if metadata.Issuer != i.Issuer {
		t.Errorf("issuer %q, want %q", metadata.Issuer, i.Issuer)
	}

	// A doubled slash is served without a redirect, as real callers send it.
	for _, c := range i.Clients[:2] {
		req, err := http.NewRequest(http.MethodPost, i.LoginServer+"//oauth/token", strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(c.ClientID, c.ClientSecret)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("client_credentials of %s: %s", c.ClientID, resp.Status)
		}
	}

	for _, name := range []string{"secrets.json", "outbox.jsonl"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s can be read by others: %v", name, info.Mode())
		}
	}
}

// A site that points a name of its own at this machine reads no code.
func TestAnswersLoopbackNamesOnly(t *testing.T) {
	t.Parallel()
	origin, _ := start(t, "-addr", "127.0.0.1:0", "-data", t.TempDir())
	for _, path := range []string{"/demo", "/demo/info.json", "/demo/outbox.json", "/demo/outbox"} {
		req, err := http.NewRequest(http.MethodGet, origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "rebound.example"
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s for another host: %s", path, resp.Status)
		}
	}
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hidden     = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// submit posts the form of a page as a browser would.
func submit(t *testing.T, c *http.Client, page *http.Response, fields url.Values) *http.Response {
	t.Helper()
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	m := formAction.FindSubmatch(body)
	if m == nil {
		t.Fatalf("no form at %s:\n%s", page.Request.URL, body)
	}
	target, err := page.Request.URL.Parse(html.UnescapeString(string(m[1])))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hidden.FindAllSubmatch(body, -1) {
		fields.Set(string(h[1]), html.UnescapeString(string(h[2])))
	}
	req, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", target.Scheme+"://"+target.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func get(t *testing.T, c *http.Client, address string) *http.Response {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Secrets, accounts, logins and messages are there after a restart.
func TestKeepsEverything(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	origin, stop := start(t, "-addr", "127.0.0.1:0", "-data", data)
	var before info
	getJSON(t, http.DefaultClient, origin+"/demo/info.json", &before)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	reader := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	paper := strings.TrimSuffix(before.Clients[0].Homepage, "/")

	page := get(t, reader, paper+"/login?page=/me")
	page = submit(t, reader, page, url.Values{"event": {"sendVerificationCodeEvent"}, "credential": {before.Users[1].Credential}})
	var sent []struct{ Code, To string }
	for range 200 {
		if getJSON(t, http.DefaultClient, origin+"/demo/outbox.json", &sent); len(sent) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond) // the message is on its way
	}
	if len(sent) != 1 || sent[0].Code == "" {
		t.Fatalf("outbox: %+v", sent)
	}
	page = submit(t, reader, page, url.Values{"event": {"verificationEvent"}, "code": {sent[0].Code}})
	if got := text(t, page); !strings.Contains(got, before.Users[1].Name) {
		t.Fatalf("not logged in:\n%s", got)
	}

	stop()
	again, _ := start(t, "-addr", strings.Replace(strings.TrimPrefix(origin, "http://"), "localhost", "127.0.0.1", 1), "-data", data)
	if again != origin {
		t.Fatalf("restarted at %s, want %s", again, origin)
	}
	var after info
	getJSON(t, http.DefaultClient, origin+"/demo/info.json", &after)
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("info.json was\n%+v\nand is\n%+v", before, after)
	}
	getJSON(t, http.DefaultClient, origin+"/demo/outbox.json", &sent)
	if len(sent) != 1 {
		t.Errorf("outbox after the restart: %+v", sent)
	}
	// The newspaper's cookie and the session at connectid both live on.
	page = get(t, reader, paper+"/me")
	if got := text(t, page); page.Request.URL.Path != "/me" || !strings.Contains(got, before.Users[1].Name) {
		t.Errorf("after the restart %s says\n%s", page.Request.URL, got)
	}
	page = get(t, reader, after.LoginServer+"/loginCheck?"+url.Values{
		"clientId": {after.Clients[0].ClientID}, "returnUrl": {paper + "/terms?in"}, "errorUrl": {paper + "/terms?out"},
	}.Encode())
	page.Body.Close()
	if got := page.Request.URL.RawQuery; got != "in" {
		t.Errorf("loginCheck after the restart ends at %s", page.Request.URL)
	}
}

func TestDamagedSecretsAreNotReplaced(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "secrets.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-data", data}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "secrets.json") {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// The walk of docs/external-identity.md: extid, token, profile.
func TestExternalIdentity(t *testing.T) {
	t.Parallel()
	origin, _ := start(t, "-addr", "127.0.0.1:0", "-data", t.TempDir())
	var i info
	getJSON(t, http.DefaultClient, origin+"/demo/info.json", &i)
	paper := i.Clients[0]
	post := func(address, contentType, token, body string) (answer map[string]any) {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		if req.SetBasicAuth(paper.ClientID, paper.ClientSecret); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v, %v", address, resp.Status, answer, err)
		}
		return answer
	}
	const form, object = "application/x-www-form-urlencoded", "application/json"
	client, _ := post(i.LoginServer+"/oauth/token", form, "", "grant_type=client_credentials")["access_token"].(string)
	post(i.APIServer+"/v1/client/extid", object, client, `{"externalId":"4711","credentialType":"D"}`)
	x := post(i.APIServer+"/v1/client/extid/customer", object, client, `{"externalId":"4711","credentialType":"D","customerNumber":198632}`)
	if x["credential"] != "AID:4711" || x["newUser"] != false || x["customerNumber"] != 198632.0 {
		t.Errorf("extid/customer: %v", x)
	}
	code, _ := x["extidCode"].(string)
	user, _ := post(i.LoginServer+"/oauth/token", form, "", url.Values{"grant_type": {extid.Type}, "code": {code}}.Encode())["access_token"].(string)
	req, err := http.NewRequest(http.MethodGet, i.APIServer+"/v1/customer/profile", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+user)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var profile struct {
		UniqueID        string
		ExternalSources []struct{ Source, ExternalID string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&profile); err != nil || profile.UniqueID != x["uniqueId"] || len(profile.ExternalSources) != 1 || profile.ExternalSources[0].ExternalID != "4711" {
		t.Errorf("profile: %+v, %v", profile, err)
	}
}
