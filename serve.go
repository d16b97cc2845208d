package connectid

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// The handler of each URL alone, for those who mount by hand. The path at which
// each is mounted must be the one below LoginURL at which the kit would serve it.

// Login returns the handler of loginUrl.
func (k *Kit) Login() http.Handler { return k.login.Login() }

// CreateUser returns the handler of createUserUrl.
func (k *Kit) CreateUser() http.Handler { return k.login.CreateUser() }

// LoginCheck returns the handler of loginCheckUrl.
func (k *Kit) LoginCheck() http.Handler { return k.login.LoginCheck() }

// Logout returns the handler of logoutUrl.
func (k *Kit) Logout() http.Handler { return k.login.Logout() }

// ResetPassword returns the handler of resetPasswordUrl.
func (k *Kit) ResetPassword() http.Handler { return k.login.ResetPassword() }

// Azure returns the handler of azureUrl and of the directories' way back, to be
// mounted at azure/ and below.
func (k *Kit) Azure() http.Handler { return k.login.Azure(k.directories) }

// Fulfillment returns the handler of fulfillmentUrl and of the payment providers'
// way back, to be mounted at fulfillment and at fulfillment/callback.
func (k *Kit) Fulfillment() http.Handler { return k.login.Fulfillment(k.orders) }

// Register returns the handler of registerUrl, to be mounted at register and, for the
// payment providers' way back, at register/callback.
func (k *Kit) Register() http.Handler { return k.login.Register() }

// ActivateMembership returns the handler of activateMembershipUrl.
func (k *Kit) ActivateMembership() http.Handler { return k.login.ActivateMembership() }

// Merge returns the handler of mergeUrl.
func (k *Kit) Merge() http.Handler { return k.login.Merge() }

// Unmerge returns the handler of the page at which a merge is undone, to which
// the notices of the merge link: it is mounted at unmerge.
func (k *Kit) Unmerge() http.Handler { return k.login.Unmerge() }

// OrderLink returns the handler of the links that clients have sent to the users of
// orders: it is mounted at orderLink.
func (k *Kit) OrderLink() http.Handler { return k.login.OrderLink() }

// Account returns the handler of accountUrl: My account.
func (k *Kit) Account() http.Handler { return k.login.Account() }

// Reauthenticate returns the handler of reauthenticateUrl, where a user who is
// logged in proves again who she is.
func (k *Kit) Reauthenticate() http.Handler { return k.login.Reauthenticate() }

// Authorize returns the handler of the authorization endpoint.
func (k *Kit) Authorize() http.Handler { return k.bounds.Handler(k.oauth.Authorize()) }

// OAuthLogin returns the handler of the pages that a user sees who has to log in
// at the authorization endpoint.
func (k *Kit) OAuthLogin() http.Handler { return k.oauth.OAuthLogin() }

// EndSession returns the handler at which clients ask for their user to be logged
// out: it is mounted at oauth/logout.
func (k *Kit) EndSession() http.Handler { return k.bounds.Handler(k.oauth.EndSession()) }

// LogoutPage returns the handler of the pages that a user sees there, to be
// mounted at oauthLogout.
func (k *Kit) LogoutPage() http.Handler { return k.oauth.LogoutPage() }

// Token returns the handler of the token endpoint.
func (k *Kit) Token() http.Handler { return k.bounds.Handler(k.oauth.Token()) }

// PushedAuthorization returns the handler of the pushed authorization request
// endpoint (RFC 9126).
func (k *Kit) PushedAuthorization() http.Handler {
	return k.bounds.Handler(k.oauth.PushedAuthorization())
}

// Revoke returns the handler of the revocation endpoint.
func (k *Kit) Revoke() http.Handler { return k.bounds.Handler(k.oauth.Revoke()) }

// Introspect returns the handler of the introspection endpoint.
func (k *Kit) Introspect() http.Handler { return k.bounds.Handler(k.oauth.Introspect()) }

// UserInfo returns the handler of the UserInfo endpoint.
func (k *Kit) UserInfo() http.Handler { return k.bounds.Handler(k.oauth.UserInfo()) }

// JWKS returns the handler of the public keys that ID tokens are checked with.
func (k *Kit) JWKS() http.Handler { return k.bounds.Handler(k.oauth.JWKS()) }

// Assets returns the handler of the pages' styles, scripts and images, to be
// mounted below theme/.
func (k *Kit) Assets() http.Handler { return k.themes.Assets() }

// route builds the handlers of whole servers.
func (k *Kit) route() {
	pages := map[string]http.Handler{
		"login":                                  k.Login(),
		"createUser":                             k.CreateUser(),
		"loginCheck":                             k.LoginCheck(),
		"logout":                                 k.Logout(),
		"resetPassword":                          k.ResetPassword(),
		"register":                               k.Register(),
		"activateMembership":                     k.ActivateMembership(),
		"merge":                                  k.Merge(),
		"unmerge":                                k.Unmerge(),
		"account":                                k.Account(),
		"reauthenticate":                         k.Reauthenticate(),
		"orderLink":                              k.OrderLink(),
		"fulfillment":                            k.Fulfillment(),
		"fulfillment/callback":                   k.Fulfillment(),
		"register/callback":                      k.Register(),
		"oauth/authorize":                        k.Authorize(),
		"oauthLogin":                             k.OAuthLogin(),
		"oauth/logout":                           k.EndSession(),
		"oauthLogout":                            k.LogoutPage(),
		"oauth/token":                            k.Token(),
		"oauth/par":                              k.PushedAuthorization(),
		"oauth/revoke":                           k.Revoke(),
		"oauth/introspect":                       k.Introspect(),
		"oauth/userinfo":                         k.UserInfo(),
		"oauth/jwks":                             k.JWKS(),
		".well-known/oauth-authorization-server": k.oauth.Metadata(),
		".well-known/openid-configuration":       k.oauth.Metadata(),
	}
	azure := k.Azure()
	assets, notFound := k.Assets(), k.login.NotFound()
	k.loginServer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.headers.SetTransport(w.Header())
		path := singleSlashes(r.URL.Path)
		rest, ok := cutBase(path, k.loginPath)
		if !ok {
			notFound.ServeHTTP(w, r)
			return
		}
		// Handlers see the path that browsers see, whatever was stripped.
		if path != r.URL.Path || len(k.loginPath)+len(rest) != len(path) {
			r = withPath(r, k.loginPath+rest)
		}
		switch h, known := pages[rest]; {
		case known:
			h.ServeHTTP(w, r)
		case strings.HasPrefix(rest, "azure/"):
			azure.ServeHTTP(w, r)
		case strings.HasPrefix(rest, "theme/"):
			assets.ServeHTTP(w, r)
		default:
			notFound.ServeHTTP(w, r)
		}
	})
	k.payServer = k.served(k.payPath, k.pay.API())
	k.scriptServer = k.served(k.scriptPath, k.pay.Scripts())
	api := k.served(k.apiPath, k.api.Handler())
	k.apiServer = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if below(singleSlashes(r.URL.Path), k.payPath) {
			k.payServer.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	metadata, issuerPath := k.oauth.Metadata(), strings.TrimSuffix(k.loginPath, "/")
	k.wellKnown = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.headers.SetTransport(w.Header())
		switch singleSlashes(r.URL.Path) {
		case "/.well-known/oauth-authorization-server" + issuerPath, // RFC 8414, section 3.1
			"/.well-known/openid-configuration" + issuerPath: // the same, section 5
			metadata.ServeHTTP(w, r)
		default:
			notFound.ServeHTTP(w, r)
		}
	})
}

// served returns the handler of a server whose handlers see the path that browsers
// see, whatever was stripped.
func (k *Kit) served(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.headers.SetTransport(w.Header())
		path := singleSlashes(r.URL.Path)
		if rest, ok := cutBase(path, base); ok {
			path = base + rest
		}
		if path != r.URL.Path {
			r = withPath(r, path)
		}
		h.ServeHTTP(w, r)
	})
}

// Clean serves requests with a doubled slash in their path as if there were one:
// [http.ServeMux] would answer them with a redirect, and real callers post to
// /user//oauth/token. It wraps the host's mux.
func Clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := singleSlashes(r.URL.Path); path != r.URL.Path {
			r = withPath(r, path)
		}
		next.ServeHTTP(w, r)
	})
}

func singleSlashes(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// withPath returns the request with another path.
func withPath(r *http.Request, path string) *http.Request {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	r2 := *r
	r2.URL = &u
	return &r2
}

// below reports whether the path, possibly with its first segments stripped, is
// below the base.
func below(path, base string) bool {
	for base != "/" {
		if strings.HasPrefix(path, base) {
			return true
		}
		base = base[1+strings.IndexByte(base[1:], '/'):]
	}
	return false
}

// cutBase returns what follows the base in the path. A host may have stripped
// any number of the base's first segments ([http.StripPrefix]).
func cutBase(path, base string) (rest string, ok bool) {
	for {
		if rest, ok = strings.CutPrefix(path, base); ok || base == "/" {
			return rest, ok
		}
		base = base[1+strings.IndexByte(base[1:], '/'):]
	}
}

// pageURL returns the address of a GUI page for users of the client, for the
// messages that name it; "" for a client without a homepage to return to.
func pageURL(loginURL, page string, c store.Client) string {
	return linkFromHomepage(loginURL+"/"+page, c, url.Values{})
}

// undoURL returns where a merge is undone, for its notices; "" for a client
// without a homepage to return to.
func undoURL(loginURL string, c store.Client, id, token string) string {
	return linkFromHomepage(loginURL+"/unmerge", c, url.Values{"merge": {id}, "token": {token}})
}

// orderURL returns where a link to an order is opened. Where it leads then is kept
// with it, so that it is short enough for an SMS.
func orderURL(loginURL string, c store.Client, token string) string {
	return loginURL + "/orderLink?" + url.Values{"clientId": {c.ID}, "token": {token}}.Encode()
}

// linkFromHomepage returns the address of a page that returns to the client's
// homepage.
func linkFromHomepage(page string, c store.Client, q url.Values) string {
	if u, err := target.Parse(c.Homepage); err != nil || !target.For(&c).Allows(u) {
		return ""
	}
	q.Set("clientId", c.ID)
	q.Set("returnUrl", c.Homepage)
	q.Set("errorUrl", c.Homepage)
	return page + "?" + q.Encode()
}
