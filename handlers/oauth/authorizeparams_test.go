package oauth_test

import (
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var stateOf = regexp.MustCompile(`data-state="(\w+)"`)

// outcome says in a word how an authorization request is answered: "code", an error
// code, the state of a page, or a status.
func outcome(tb testing.TB, w *httptest.ResponseRecorder) string {
	tb.Helper()
	if to := w.Header().Get("Location"); strings.HasPrefix(to, appURI) {
		q := must(url.Parse(to)).Query()
		switch {
		case q.Get("iss") != issuer || q.Has("error") == q.Has("code"):
			tb.Errorf("answer %q", to)
		case q.Has("code"):
			return "code"
		}
		return q.Get("error")
	}
	if w.Code == 200 {
		return stateOf.FindStringSubmatch(w.Body.String())[1]
	}
	return strconv.Itoa(w.Code)
}

// Every parameter of the authorization endpoint, as it should not be. The user is
// logged in, so that what is ignored gives a code.
func TestAuthorizeEveryParameter(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	p.other()
	in := p.browser()
	in.loginAs(email)
	hint := p.idToken("web", p.user.ID)
	for _, tt := range []struct {
		name, value                        string // a good one
		good, absent, empty, twice, beyond string
	}{
		{"client_id", "web", "code", "400", "400", "400", "400"},
		{"redirect_uri", appURI, "code", "code", "code", "400", "400"},
		{"response_type", "code", "code", "invalid_request", "invalid_request", "invalid_request", "unsupported_response_type"},
		{"response_mode", "query", "code", "code", "code", "invalid_request", "invalid_request"},
		{"scope", "read", "code", "code", "code", "invalid_request", "invalid_scope"},
		{"state", "s1", "code", "code", "code", "invalid_request", "invalid_request"},
		{"code_challenge", challengeOf(verifier), "code", "invalid_request", "invalid_request", "invalid_request", "invalid_request"},
		{"code_challenge_method", "S256", "code", "invalid_request", "invalid_request", "invalid_request", "invalid_request"},
		{"nonce", "n-0S6_WzA2Mj", "code", "code", "code", "invalid_request", "invalid_request"},
		{"prompt", "login", "confirmUserState", "code", "code", "invalid_request", "invalid_request"},
		{"max_age", "0", "confirmUserState", "code", "code", "invalid_request", "invalid_request"},
		{"login_hint", otherEmail, "startLoginState", "code", "code", "invalid_request", "code"},
		{"id_token_hint", hint, "code", "code", "code", "invalid_request", "invalid_request"},
		{"ui_locales", "nb", "code", "code", "code", "invalid_request", "code"},
		{"display", "popup", "code", "code", "code", "invalid_request", "code"},
		{"acr_values", "0 1", "code", "code", "code", "invalid_request", "code"},
		{"claims", `{"id_token":{"auth_time":{"essential":true}}}`, "code", "code", "code", "invalid_request", "code"},
		{"claims_locales", "nb", "code", "code", "code", "invalid_request", "code"},
		{"registration", "{}", "registration_not_supported", "code", "code", "invalid_request", "registration_not_supported"},
		{"colour", "blue", "code", "code", "code", "code", "code"}, // nobody's
		{"credential", otherEmail, "code", "code", "code", "code", "code"},
		{"run", "x", "code", "code", "code", "code", "code"},
	} {
		rest := without(ask("web"), tt.name)
		with := func(values ...string) url.Values {
			v := without(rest, tt.name)
			v[tt.name] = values
			return v
		}
		long := strings.Repeat("x", 3000)
		for _, c := range []struct {
			how   string
			query url.Values
			want  string
		}{
			{"as it should be", with(tt.value), tt.good},
			{"absent", rest, tt.absent},
			{"empty", with(""), tt.empty},
			{"twice the same", with(tt.value, tt.value), tt.twice},
			{"twice", with(tt.value, tt.value+"x"), tt.twice},
			{"twice, once empty", with(tt.value, ""), tt.twice},
			{"oversized", with(long), tt.beyond},
			{"far too long", with(strings.Repeat(long, 3)), "414"},
		} {
			w := in.visit(c.query)
			if got := outcome(t, w); got != c.want {
				t.Errorf("%s %s: %s, want %s", tt.name, c.how, got, c.want)
			}
			if q := must(url.Parse(w.Header().Get("Location"))).Query(); q.Has("state") && q.Get("state") != c.query.Get("state") {
				t.Errorf("%s %s: state %q", tt.name, c.how, q.Get("state"))
			}
			// At the page's own door nothing passes that the endpoint refuses.
			direct := outcome(t, in.get(issuer+"/oauthLogin?"+c.query.Encode()))
			switch {
			case direct == c.want, direct == "400", c.want == "414" && direct == "414", tt.name == "run":
			default:
				t.Errorf("%s %s at oauthLogin: %s, want %s or 400", tt.name, c.how, direct, c.want)
			}
		}
		// The wrong place: the body of a GET is nobody's, and a form says it once.
		r := httptest.NewRequest("GET", authorizeURL(rest), strings.NewReader(form(tt.name, tt.value).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := outcome(t, in.follow(in.send(r))); got != tt.absent {
			t.Errorf("%s in the body of a GET: %s, want %s", tt.name, got, tt.absent)
		}
		post := func(query, body url.Values) string {
			r := httptest.NewRequest("POST", authorizeURL(query), strings.NewReader(body.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := p.browser().send(r)
			if w.Code != 303 {
				return strconv.Itoa(w.Code)
			}
			return outcome(t, in.follow(w))
		}
		one := form(tt.name, tt.value)
		for _, c := range []struct {
			how         string
			query, body url.Values
			want        string
		}{
			{"in the body", rest, one, tt.good},
			{"in the query", one, rest, tt.good},
			{"in both", with(tt.value), one, tt.good},
			{"in both, differently", with(tt.value), form(tt.name, tt.value+"x"), tt.twice},
		} {
			if got := post(c.query, c.body); got != c.want {
				t.Errorf("%s %s of a post: %s, want %s", tt.name, c.how, got, c.want)
			}
		}
	}
}

// The pages speak the language that the client asks for, before her own.
func TestAuthorizeLocales(t *testing.T) {
	t.Parallel()
	p := newPortal(t)
	b := p.browser()
	b.loginAs(email) // whose language is English
	for _, tt := range []struct{ name, value, want string }{
		{"ui_locales", "fi sv", "fi"}, {"ui_locales", "xx nb-NO", "nb"}, {"", "", "en"}, {"lang", "da", "da"},
	} {
		page := wantState(t, b.visit(more("web", "prompt", "login", tt.name, tt.value)), "confirmUserState")
		if !strings.Contains(page.Body.String(), `<html lang="`+tt.want+`"`) {
			t.Errorf("%s=%s: the page is not in %s", tt.name, tt.value, tt.want)
		}
	}
}
