package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// UserInfo returns the UserInfo endpoint (OpenID Connect Core 1.0, section 5.3):
// what the user's access token says of her by its scope. It is asked with GET or
// POST, and the token stands in the header Authorization alone.
func (s *Server) UserInfo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost:
		case http.MethodOptions:
			s.preflight(w, r)
			return
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS, POST")
			writeError(w, &Error{Code: InvalidRequest, Description: "use GET or POST", Status: http.StatusMethodNotAllowed})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		if err := s.userInfo(w, r); err != nil {
			s.refuseUserInfo(w, r, err)
		}
	})
}

// userInfo is the answer of section 5.3.2, with the claims of section 5.1. What is
// not known is left out.
type userInfo struct {
	Subject       string `json:"sub"`
	Name          string `json:"name,omitempty"`
	GivenName     string `json:"given_name,omitempty"`
	FamilyName    string `json:"family_name,omitempty"`
	Locale        string `json:"locale,omitempty"` // BCP 47
	UpdatedAt     int64  `json:"updated_at,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
	Phone         string `json:"phone_number,omitempty"` // E.164
	PhoneVerified *bool  `json:"phone_number_verified,omitempty"`
}

func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) error {
	t, err := s.bearer.CheckAt(r, s.config.Issuer+"/oauth/userinfo")
	if err != nil {
		return err
	}
	s.bearer.Renew(w.Header(), t)
	if t.Client.Public {
		s.allowOrigin(w, r, t.Client)
	}
	if !t.IsUser() || !hasScope(t.Scope, scopeOpenID) {
		return &middleware.BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
			Description: "this call needs the access token of a user with the scope openid", DPoP: !t.DPoPKey.IsZero()}
	}
	// A token of an account that another has absorbed is the other's, under the
	// name that the ID token says (section 5.3.2: they have to be the same).
	u, err := store.ResolveUser(r.Context(), s.config.Users, t.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return middleware.InvalidToken(errors.New("the user is gone"))
	case err != nil:
		return fmt.Errorf("look up the user of a token: %w", err)
	case u.Blocked:
		return middleware.InvalidToken(errors.New("the user is blocked"))
	}
	body, err := json.Marshal(userInfoOf(t.UserID, u, t.Scope))
	if err != nil {
		return fmt.Errorf("write UserInfo: %w", err)
	}
	noStore(w)
	w.Write(body) // a client that has gone away can ask again
	return nil
}

// userInfoOf returns what a scope says of the user (section 5.4).
func userInfoOf(subject string, u store.User, scope string) userInfo {
	info := userInfo{Subject: subject}
	if hasScope(scope, scopeProfile) {
		info.Name = strings.TrimSpace(u.FirstName + " " + u.LastName)
		info.GivenName, info.FamilyName, info.Locale = u.FirstName, u.LastName, u.Language
		if !u.UpdatedAt.IsZero() {
			info.UpdatedAt = u.UpdatedAt.Unix()
		}
	}
	if hasScope(scope, scopeEmail) {
		if c, ok := credentialOf(u, store.Email); ok {
			info.Email = c.Identity
			if c.Spelling != "" {
				info.Email = c.Spelling
			}
			info.EmailVerified = new(!c.VerifiedAt.IsZero())
		}
	}
	if hasScope(scope, scopePhone) {
		if c, ok := credentialOf(u, store.Phone); ok {
			info.Phone, info.PhoneVerified = c.Identity, new(!c.VerifiedAt.IsZero())
		}
	}
	return info
}

// credentialOf returns the user's first credential of a kind that she has proved
// to own, or else the first of them.
func credentialOf(u store.User, kind store.CredentialKind) (found store.Credential, ok bool) {
	for _, c := range u.Credentials {
		switch {
		case c.Kind != kind:
		case !c.VerifiedAt.IsZero():
			return c, true
		case !ok:
			found, ok = c, true
		}
	}
	return found, ok
}

// refuseUserInfo answers as section 5.3.3 and RFC 6750, section 3 say.
func (s *Server) refuseUserInfo(w http.ResponseWriter, r *http.Request, err error) {
	// A script has to be able to read that its token has expired. Which client it
	// is of is not known then, so that of any public client will do.
	if origin := r.Header.Get("Origin"); origin != "" && w.Header().Get("Vary") == "" {
		w.Header().Add("Vary", "Origin")
		if ok, err := s.isPublicOrigin(r, origin); err == nil && ok {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After, WWW-Authenticate")
		}
	}
	refusal, ok := errors.AsType[*middleware.BearerError](err)
	if !ok {
		e := asError(err)
		s.report(r.Context(), "userinfo", e)
		writeError(w, e)
		return
	}
	s.log.InfoContext(r.Context(), "oauth request refused", "endpoint", "userinfo", "err", refusal)
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{refusal.Code, refusal.Description})
	if err != nil {
		panic(err) // two strings
	}
	noStore(w)
	refusal.Challenge(w.Header())
	w.WriteHeader(refusal.Status)
	w.Write(body)
}
