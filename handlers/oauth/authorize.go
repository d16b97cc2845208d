package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// Authorize returns the authorization endpoint (RFC 6749, section 3.1). A
// browser that is logged in is sent back with a code at once; another one is
// sent to the login at oauthLogin with the same query.
//
// A post from another site carries no Lax cookie, so that POST is answered with
// 303 to GET. It stands outside the CSRF protection: it changes nothing.
func (s *Server) Authorize() http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			return s.authorize(w, r)
		case http.MethodPost:
			return s.postToGet(w, r, "oauth/authorize")
		}
		w.Header().Set("Allow", "GET, HEAD, POST")
		return &gui.Fault{Param: "method", Reason: "must be GET or POST", Status: http.StatusMethodNotAllowed}
	})
}

// page is the only place that turns the errors of Authorize into answers.
func (s *Server) page(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	g := s.config.GUI
	return s.headers.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		err := f(w, r)
		if err == nil {
			return
		}
		if f, ok := errors.AsType[*gui.Fault](err); ok {
			g.BadRequest(w, r, f)
			return
		}
		g.Unavailable(w, r, err)
	}))
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	if len(r.URL.RawQuery) > maxQuery {
		return &gui.Fault{Param: "query", Reason: "is too long", Status: http.StatusRequestURITooLong}
	}
	q, err := gui.Pairs(r.URL.RawQuery)
	if err != nil {
		return err
	}
	a, err := s.parseAuthorize(r.Context(), q.Values(), atAuthorize)
	if e, ok := errors.AsType[*Error](err); ok {
		s.report(r.Context(), "authorize", e)
		gui.Redirect(w, http.StatusFound, a.failure(s.config.Issuer, e))
		return nil
	}
	if err != nil {
		return err
	}
	session, err := s.config.GUI.Session(r)
	if err != nil {
		return err
	}
	if session.Handle.IsZero() || !a.plain() {
		gui.Redirect(w, http.StatusFound, s.config.GUI.URL("oauthLogin")+"?"+q.ForPage(r.URL.RawQuery))
		return nil
	}
	location, err := s.issueCode(r.Context(), a, session)
	if err != nil {
		return err
	}
	gui.Redirect(w, http.StatusFound, location)
	return nil
}

// postToGet sends the browser to the page with what it posted as the query of a
// GET. The address is made of configuration and encoded anew.
func (s *Server) postToGet(w http.ResponseWriter, r *http.Request, page string) error {
	body, err := readBody(w, r)
	if err != nil {
		e := asError(err)
		return &gui.Fault{Param: "form", Reason: "is refused: " + e.Description, Status: e.Status}
	}
	all := strings.Trim(r.URL.RawQuery+"&"+body, "&")
	var query strings.Builder
	seen := map[[2]string]bool{}
	for pair := range strings.SplitSeq(all, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := unescape(name)
		value, err2 := unescape(value)
		if err1 != nil || err2 != nil {
			return &gui.Fault{Param: "form", Reason: "is not percent-encoded"}
		}
		// The same again in query and body is one parameter; a different value
		// is left for the GET to refuse.
		if pair == "" || seen[[2]string{name, value}] {
			continue
		}
		seen[[2]string{name, value}] = true
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(value))
	}
	if query.Len() > maxQuery {
		return &gui.Fault{Param: "form", Reason: "is too long", Status: http.StatusRequestEntityTooLarge}
	}
	gui.Redirect(w, http.StatusSeeOther, s.config.GUI.URL(page)+"?"+query.String())
	return nil
}

// OAuthLogin returns the pages of a browser that came to the authorization endpoint
// without a session, or whose user has to do more than to be logged in. It has the
// same query, and its end issues the code.
func (s *Server) OAuthLogin() http.Handler {
	page := s.config.GUI.Handler(gui.Page{
		Path: "oauthLogin",
		Flow: flows.Authorize,
		Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
			a, err := s.parseAuthorize(ctx, q.Values(), atLogin)
			if e, ok := errors.AsType[*Error](err); ok {
				// The authorization endpoint would have redirected.
				return flows.Request{}, &gui.Fault{Param: "authorization request", Reason: "is refused: " + e.Code + ", " + e.Description}
			}
			if err != nil {
				return flows.Request{}, err
			}
			if p, ok := r.Context().Value(authorizationKey{}).(*authorization); ok {
				*p = a
			}
			return a.loginRequest(r), nil
		},
		Location: func(ctx context.Context, run *flows.Run, end flows.End) (string, error) {
			a, ok := ctx.Value(authorizationKey{}).(*authorization)
			if !ok || a.redirect.IsZero() {
				return "", errors.New("oauthLogin ends without an authorization request")
			}
			if end.Failed {
				return a.failure(s.config.Issuer, ended(end)), nil
			}
			return s.issueCode(ctx, *a, run.Browser.Session)
		},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authorizationKey{}, new(authorization))))
	})
}

// authorizationKey is where the parsed request travels from Parse to Location.
type authorizationKey struct{}

// authorization is an authorization request that has been checked.
type authorization struct {
	client      store.Client
	redirect    target.URL
	redirectURI string // as sent; "" if none was
	scope       string
	state       string
	challenge   string
	nonce       string
	lang        string              // of the pages
	locales     string              // that the user prefers: ui_locales
	credential  string              // that login_hint names; "" for none
	ask         flows.Authorization // what the user has to do
	resources   []string            // RFC 8707
	key         store.Digest        // to which the code is bound (RFC 9449); zero for none
	pushed      store.Digest        // the request that was pushed (RFC 9126); zero for none
}

// authorizeParams may not be repeated (RFC 6749, section 3.1).
var authorizeParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state",
	"code_challenge", "code_challenge_method", "nonce", "dpop_jkt", "request", "request_uri",
	"prompt", "max_age", "login_hint", "id_token_hint", "ui_locales", "display", "acr_values", "claims", "claims_locales", "registration",
}

// parseAuthorize checks an authorization request. A [gui.Fault] says that the
// client or the redirect URI can not be trusted, so that nobody is redirected; an
// [Error] belongs to the client, and the authorization returned with it knows
// the way there.
func (s *Server) parseAuthorize(ctx context.Context, q url.Values, at door) (a authorization, err error) {
	for _, name := range []string{"client_id", "redirect_uri", "request_uri"} {
		if len(q[name]) > 1 {
			return a, &gui.Fault{Param: name, Reason: "is given twice"}
		}
	}
	p, err := s.findPushed(ctx, q, at)
	if err != nil {
		return a, err
	}
	if p != nil {
		q, a.pushed = p.query, p.hash
	}
	id := q.Get("client_id")
	switch a.client, err = s.config.Clients.Client(ctx, id); {
	case id == "":
		return a, &gui.Fault{Param: "client_id", Reason: "is missing"}
	case errors.Is(err, store.ErrNotFound), err == nil && a.client.Disabled:
		return a, &gui.Fault{Param: "client_id", Reason: "is not a known client"}
	case err != nil:
		return a, err
	}
	if err := a.setRedirect(q.Get("redirect_uri")); err != nil {
		return a, err
	}
	if a.redirectURI == "" && hasScope(q.Get("scope"), scopeOpenID) {
		// OpenID Connect Core 1.0, section 3.1.2.1: required, also where there is
		// only one.
		return a, &gui.Fault{Param: "redirect_uri", Reason: "is missing"}
	}
	if states := q["state"]; len(states) == 1 {
		a.state = states[0]
	}
	switch {
	case p != nil && p.stale != "":
		return a, fault(InvalidRequestURI, p.stale)
	case p == nil && at != atPush && a.client.RequirePAR: // RFC 9126, section 6
		return a, fault(InvalidRequest, "this client has to push its requests")
	}
	if err = a.check(q); err == nil {
		err = s.parseInteraction(ctx, &a, q)
	}
	return a, err
}

// setRedirect finds out where the answer goes (RFC 6749, section 3.1.2).
func (a *authorization) setRedirect(raw string) error {
	allowed := target.RedirectsFor(&a.client)
	if raw == "" {
		var ok bool
		if a.redirect, ok = allowed.Only(); !ok {
			return &gui.Fault{Param: "redirect_uri", Reason: "is missing"}
		}
		return nil
	}
	u, err := target.ParseRedirect(raw)
	if err != nil {
		return &gui.Fault{Param: "redirect_uri", Reason: "is refused: " + err.Error()}
	}
	if !allowed.Allows(u) {
		return &gui.Fault{Param: "redirect_uri", Reason: "is not registered for this client"}
	}
	a.redirect, a.redirectURI = u, raw
	return nil
}

// maxState bounds what is handed back in a redirect, maxNonce in an ID token.
const (
	maxState = 2048
	maxNonce = 512
)

// check finds the faults that the client is told about.
func (a *authorization) check(q url.Values) error {
	for _, name := range authorizeParams {
		if len(q[name]) > 1 {
			return fault(InvalidRequest, name+" is repeated")
		}
	}
	a.scope = q.Get("scope")
	challenge, method := q.Get("code_challenge"), q.Get("code_challenge_method")
	switch {
	case len(a.state) > maxState:
		a.state = ""
		return fault(InvalidRequest, "state is too long")
	case len(q.Get("nonce")) > maxNonce:
		return fault(InvalidRequest, "nonce is too long")
	case q.Get("request") != "":
		return fault(RequestNotSupported, "request objects are not supported")
	case q.Get("request_uri") != "":
		return fault(RequestURINotSupported, "only a request_uri of a pushed request is supported")
	case q.Get("response_type") == "":
		return fault(InvalidRequest, "missing response_type")
	case q.Get("response_type") != "code":
		return fault(UnsupportedResponseType, "response_type has to be code")
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return fault(InvalidRequest, "response_mode has to be query")
	case !slices.Contains(a.client.GrantTypes, grantCode):
		return fault(UnauthorizedClient, "this client may not use authorization codes")
	case !validScope(a.scope) || !covers(func(t string) bool { return slices.Contains(a.client.Scopes, t) }, a.scope):
		return fault(InvalidScope, "this client may not ask for this scope")
	case challenge == "" && method != "":
		return fault(InvalidRequest, "code_challenge_method without a code_challenge")
	case challenge == "" && (a.client.Public || !a.client.InsecureSkipPKCE):
		return fault(InvalidRequest, "missing code_challenge (PKCE)") // RFC 7636, section 4.4.1
	case challenge != "" && method != "S256": // absent means plain (RFC 7636, section 4.3)
		return fault(InvalidRequest, "code_challenge_method has to be S256")
	case challenge != "" && !isToken(challenge, 43):
		return fault(InvalidRequest, "malformed code_challenge")
	}
	a.challenge, a.nonce = challenge, q.Get("nonce")
	a.lang, a.locales = q.Get("lang"), q.Get("ui_locales")
	if jkt := q.Get("dpop_jkt"); jkt != "" {
		var ok bool
		if a.key, ok = parseThumbprint(jkt); !ok {
			return fault(InvalidRequest, "malformed dpop_jkt")
		}
	}
	var err error
	a.resources, err = resourcesOf(&a.client, q[paramResource])
	return err
}

// answer returns the redirect URI with parameters, state and issuer added. The
// state is sent back exactly as it came, and only if it came.
func (a *authorization) answer(issuer string, pairs ...string) string {
	if a.state != "" {
		pairs = append(pairs, "state", a.state)
	}
	if !a.client.OmitIssuer {
		pairs = append(pairs, "iss", issuer) // RFC 9207
	}
	return a.redirect.With(pairs...)
}

// failure returns the redirect of RFC 6749, section 4.1.2.1.
func (a *authorization) failure(issuer string, e *Error) string {
	return a.answer(issuer, "error", e.Code, "error_description", printable(e.Description))
}

// issueCode stores a code for the session's user and returns the redirect with it.
func (s *Server) issueCode(ctx context.Context, a authorization, session store.Session) (string, error) {
	if session.Handle.IsZero() || session.UserID == "" {
		return "", errors.New("no session to issue a code for")
	}
	switch _, err := s.config.GUI.Accounts.User(ctx, session.UserID); {
	case errors.Is(err, account.ErrUserGone):
		return a.failure(s.config.Issuer, fault(AccessDenied, "the account is not available")), nil
	case err != nil:
		return "", fmt.Errorf("find user: %w", err)
	}
	if a.client.BackchannelLogoutURI != "" && !slices.Contains(session.Clients, a.client.ID) {
		// Before there is a code: who ends the session from here on finds the client.
		switch err := s.config.Sessions.VisitSession(ctx, session.Handle, a.client.ID); {
		case errors.Is(err, store.ErrNotFound):
			return a.failure(s.config.Issuer, fault(LoginRequired, "the session has ended")), nil
		case err != nil:
			return "", fmt.Errorf("visit session: %w", err)
		}
	}
	if !a.pushed.IsZero() {
		err := s.takePushed(ctx, a.pushed, a.client.ID)
		if e, ok := errors.AsType[*Error](err); ok {
			s.report(ctx, "authorize", e)
			return a.failure(s.config.Issuer, e), nil
		}
		if err != nil {
			return "", err
		}
	}
	code, now := randomToken(), time.Now()
	err := s.config.Grants.PutCode(ctx, store.AuthorizationCode{
		Hash:            store.DigestOf(code),
		ClientID:        a.client.ID,
		GrantID:         newGrantID(),
		UserID:          session.UserID,
		Scope:           a.scope,
		RedirectURI:     a.redirectURI,
		Challenge:       a.challenge,
		Resources:       a.resources,
		DPoPKey:         a.key,
		Session:         session.Handle,
		SessionID:       session.ID,
		Nonce:           a.nonce,
		AuthenticatedAt: session.FreshAt, // zero for remember-me: nobody has proven anything
		CreatedAt:       now,
		ExpiresAt:       now.Add(s.config.CodeLifetime),
	})
	if err != nil {
		return "", fmt.Errorf("put code: %w", err)
	}
	return a.answer(s.config.Issuer, "code", code), nil
}
