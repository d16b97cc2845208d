package paper

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// recheck is how long a reader may click around in the newspaper before it asks
// again whether she is still logged in.
const recheck = time.Minute

// arriving asks connectid, by a top-level redirect to loginCheck, whether a
// reader who arrives is logged in (she may be, from another newspaper), and
// then serves the page.
func (p *Paper) arriving(page func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := p.session(r)
		if s.Landed {
			s.Landed = false
			if err := p.save(w, s); err != nil {
				p.fail(w, r, err)
				return
			}
		} else if p.mustCheck(r, s) {
			p.check(w, r, s, p.known(r.URL.Path))
			return
		}
		page(w, r, s)
	}
}

// here serves a page to which a reader comes in the middle of something: who she is
// has been asked, and what the address says must not be lost.
func (p *Paper) here(page func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { page(w, r, p.session(r)) }
}

// mustCheck reports whether the request is a reader's arrival, as opposed to a
// click inside the newspaper or a request by a script.
func (p *Paper) mustCheck(r *http.Request, s *session) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "none", "cross-site", "same-site":
		return true
	}
	return time.Since(s.CheckedAt) > recheck
}

// check redirects to loginCheck. A reader who is logged in here is asked for by
// name, so that another person's login in the same browser is not taken for hers.
func (p *Paper) check(w http.ResponseWriter, r *http.Request, s *session, page string) {
	target := func(answer string) string {
		return p.Base + "/checked?" + url.Values{"in": {answer}, "page": {page}}.Encode()
	}
	q := url.Values{
		"clientId":  {p.ClientID},
		"returnUrl": {target("yes")},
		"errorUrl":  {target("no")},
	}
	if s.Token != nil && s.Credential != "" {
		q.Set("credential", s.Credential)
	}
	if err := p.save(w, s); err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, p.LoginServer+"/loginCheck?"+q.Encode(), http.StatusSeeOther)
}

// checked is where loginCheck comes back to.
func (p *Paper) checked(w http.ResponseWriter, r *http.Request) {
	page := p.known(r.FormValue("page"))
	s := &session{}
	if !p.cookies.get(r, "session", s) { // no cookies: another redirect would be one without end
		p.front(w, r, s)
		return
	}
	s.CheckedAt = time.Now()
	switch yes := r.FormValue("in") == "yes"; {
	case yes && s.Token == nil:
		p.authorize(w, r, page) // logged in at connectid, not yet here
		return
	case !yes && s.Token != nil: // the one we know is not logged in: perhaps somebody else is
		p.check(w, r, &session{CheckedAt: s.CheckedAt}, page)
		return
	}
	p.land(w, r, s, page)
}

// land shows the page without another check.
func (p *Paper) land(w http.ResponseWriter, r *http.Request, s *session, page string) {
	s.CheckedAt, s.Landed = time.Now(), true
	if err := p.save(w, s); err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, page, http.StatusSeeOther)
}

// known returns the path if it is a page of the newspaper and "/" otherwise:
// where a reader is sent never comes from outside.
func (p *Paper) known(path string) string {
	if path == "/me" || path == "/subscribe" {
		return path
	}
	if section, ok := strings.CutPrefix(path, "/section/"); ok && slices.Contains(p.Edition.Sections, section) {
		return path
	}
	if slug, ok := strings.CutPrefix(path, "/article/"); ok {
		if _, ok := p.Edition.Article(slug); ok {
			return path
		}
	}
	return "/"
}

func (p *Paper) login(w http.ResponseWriter, r *http.Request) {
	p.authorize(w, r, p.known(r.FormValue("page")))
}

// authorize starts an authorization request (RFC 6749, section 4.1.1) with state
// and PKCE, in the newspaper's language. The state ends in the page, so that it is
// known after the attempt is over, too.
func (p *Paper) authorize(w http.ResponseWriter, r *http.Request, page string) {
	a := attempt{State: rand.Text() + "." + url.PathEscape(page), Verifier: oauth2.GenerateVerifier()}
	if err := p.cookies.set(w, "login-"+a.State[:8], a, attemptLifetime); err != nil {
		p.fail(w, r, err)
		return
	}
	to := p.oauth.AuthCodeURL(a.State, oauth2.S256ChallengeOption(a.Verifier), oauth2.SetAuthURLParam("ui_locales", p.Edition.Lang))
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// callback is the redirect URI.
func (p *Paper) callback(w http.ResponseWriter, r *http.Request) {
	state := r.FormValue("state")
	_, page, _ := strings.Cut(state, ".")
	page, _ = url.PathUnescape(page)
	page = p.known(page)
	var a attempt
	if len(state) < 8 || !p.cookies.get(r, "login-"+state[:8], &a) || subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) != 1 {
		if p.session(r).Token != nil { // Back, after a login
			http.Redirect(w, r, page, http.StatusSeeOther)
			return
		}
		p.message(w, r, http.StatusBadRequest, "stale", page)
		return
	}
	p.cookies.drop(w, "login-"+state[:8])
	if iss := r.FormValue("iss"); iss != "" && iss != p.LoginServer { // RFC 9207, section 2.4
		p.message(w, r, http.StatusBadRequest, "stale", page)
		return
	}
	if code := r.FormValue("error"); code != "" {
		p.Logger.WarnContext(r.Context(), "login failed", "error", code)
		key, status := "denied", http.StatusOK
		if code != "access_denied" {
			key, status = "outage", http.StatusServiceUnavailable
		}
		p.message(w, r, status, key, page)
		return
	}
	ctx := p.withClient(r.Context())
	token, err := p.oauth.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		p.failAt(w, r, page, err)
		return
	}
	s := &session{Token: token}
	profile, err := p.profile(ctx, s)
	if err != nil {
		p.failAt(w, r, page, err)
		return
	}
	s.Name, s.Credential = profile.display(), profile.LoginCredential.Credential
	p.land(w, r, s, page)
}

// join sends a reader who probably has no account to createUser, and back by
// way of the login, which then asks nothing more.
func (p *Paper) join(w http.ResponseWriter, r *http.Request) {
	page := p.known(r.FormValue("page"))
	q := url.Values{
		"clientId":  {p.ClientID},
		"returnUrl": {p.Base + "/login?" + url.Values{"page": {page}}.Encode()},
		"errorUrl":  {p.Base + (&url.URL{Path: page}).EscapedPath()},
		"lang":      {p.Edition.Lang},
	}
	http.Redirect(w, r, p.LoginServer+"/createUser?"+q.Encode(), http.StatusSeeOther)
}

// logout ends the newspaper's own session, gives the tokens back and goes on to
// connectid's logout, which ends the session there.
func (p *Paper) logout(w http.ResponseWriter, r *http.Request) {
	if s := p.session(r); s.Token != nil {
		p.revoke(r.Context(), s.Token)
	}
	p.cookies.drop(w, "session")
	q := url.Values{
		"clientId":  {p.ClientID},
		"returnUrl": {p.Base + "/logged-out"},
		"errorUrl":  {p.Base + "/"},
	}
	http.Redirect(w, r, p.LoginServer+"/logout?"+q.Encode(), http.StatusSeeOther)
}
