package oauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// EndSession returns the endpoint at which a client asks for its user to be
// logged out (OpenID Connect RP-Initiated Logout 1.0, section 2). As at the
// authorization endpoint, a post from another site carries no Lax cookie, so POST is
// answered with 303 to GET, which leads to the page at [Server.LogoutPage] with the
// same query.
func (s *Server) EndSession() http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			if len(r.URL.RawQuery) > maxQuery {
				return &gui.Fault{Param: "query", Reason: "is too long", Status: http.StatusRequestURITooLong}
			}
			return s.openLogout(w, r)
		case http.MethodPost:
			return s.postToGet(w, r, "oauth/logout")
		}
		w.Header().Set("Allow", "GET, HEAD, POST")
		return &gui.Fault{Param: "method", Reason: "must be GET or POST", Status: http.StatusMethodNotAllowed}
	})
}

// openLogout leads to the page. When nobody says who asks, it is the client where
// the user logged in; the page, which outlives the session, is told so.
func (s *Server) openLogout(w http.ResponseWriter, r *http.Request) error {
	q, err := gui.Query(r.URL.RawQuery)
	if err != nil {
		return err
	}
	query := r.URL.RawQuery
	if q.Get("client_id") == "" && q.Get("id_token_hint") == "" {
		session, err := s.config.GUI.Session(r)
		if err != nil {
			return err
		}
		if session.ClientID != "" {
			query = strings.TrimPrefix(query+"&client_id="+url.QueryEscape(session.ClientID), "&")
		}
	}
	gui.Redirect(w, http.StatusFound, s.config.GUI.URL("oauthLogout")+"?"+query)
	return nil
}

// LogoutPage returns the page to which [Server.EndSession] leads. It asks the
// user, unless an ID token of her very login shows that the client may ask.
func (s *Server) LogoutPage() http.Handler {
	return s.config.GUI.Handler(gui.Page{
		Path: "oauthLogout",
		Flow: flows.EndSession,
		Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
			return s.parseLogout(ctx, r, q)
		},
		Location: func(ctx context.Context, run *flows.Run, end flows.End) (string, error) {
			if location, err := gui.Location(ctx, run, end); location != "" || err != nil {
				return location, err
			}
			return s.config.GUI.URL("oauthLogout") + "?client_id=" + url.QueryEscape(run.Request.Client.ID), nil
		},
	})
}

// logoutParams may not be repeated.
var logoutParams = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}

// parseLogout checks a logout request. Nobody is sent to an address that the
// client has not registered for this, and never is a fault answered by a redirect.
func (s *Server) parseLogout(ctx context.Context, r *http.Request, q gui.Params) (req flows.Request, err error) {
	values := q.Values()
	for _, name := range logoutParams {
		if len(values[name]) > 1 {
			return req, &gui.Fault{Param: name, Reason: "is given twice"}
		}
	}
	id := q.Get("client_id")
	if raw := q.Get("id_token_hint"); raw != "" {
		userID, sessionID, audience, err := s.VerifyIDTokenHint(ctx, raw)
		switch {
		case errors.Is(err, ErrHint):
			// It proves nothing, as one does whose key is long gone: the user is asked.
		case err != nil:
			return req, err
		case id == "" && len(audience) > 1, id != "" && !slices.Contains(audience, id):
			return req, &gui.Fault{Param: "client_id", Reason: "is not the one of id_token_hint"}
		default:
			id, req.Hint = cmp.Or(id, audience[0]), flows.Hint{UserID: userID, SessionID: sessionID}
		}
	}
	c, err := store.SharedClient(ctx, s.config.Clients, id)
	switch {
	case id == "":
		return req, &gui.Fault{Param: "client_id", Reason: "is missing, and so is id_token_hint"}
	case errors.Is(err, store.ErrNotFound), err == nil && c.Disabled:
		return req, &gui.Fault{Param: "client_id", Reason: "is not a known client"}
	case err != nil:
		return req, err
	}
	req.Client = c
	if req.Return, err = afterLogout(c, q.Get("post_logout_redirect_uri"), q.Get("state")); err != nil {
		return req, err
	}
	req.Error = req.Return
	if home, err := target.Parse(c.Homepage); req.Error.IsZero() && err == nil && target.For(c).Allows(home) {
		req.Error = home
	}
	req.Lang = gui.Lang(r, q.Get("lang"), q.Get("ui_locales"), c.Language)
	return req, nil
}

// afterLogout returns where the user goes from the logout, with the state exactly
// as it came; nowhere when the client names no place.
func afterLogout(c *store.Client, raw, state string) (target.URL, error) {
	if raw == "" {
		return target.URL{}, nil
	}
	u, err := target.ParseRedirect(raw)
	if err != nil {
		return u, &gui.Fault{Param: "post_logout_redirect_uri", Reason: "is refused: " + err.Error()}
	}
	allowed, _ := target.NewRedirectSet(c.PostLogoutRedirectURIs, nil, c.InsecureAllowHTTP) // a faulty entry allows nothing
	if !allowed.Allows(u) {
		return u, &gui.Fault{Param: "post_logout_redirect_uri", Reason: "is not registered for this client"}
	}
	if state == "" {
		return u, nil
	}
	if len(state) > maxState {
		return u, &gui.Fault{Param: "state", Reason: "is too long"}
	}
	if u, err = target.ParseRedirect(u.With("state", state)); err != nil {
		return u, &gui.Fault{Param: "state", Reason: "is refused: " + err.Error()}
	}
	return u, nil
}
