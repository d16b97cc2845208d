package oauth

import (
	"net/http"
	"slices"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// Cross-origin calls (Fetch standard, "CORS protocol") are for public clients,
// whose token requests come from scripts. Their origins are those of Targets and
// RedirectURIs. No answer permits credentials: cookies mean nothing here.

// preflight answers OPTIONS. No client is named in it, so the origin must be a
// target of some public client.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Cache-Control", "no-store")
	origin := r.Header.Get("Origin")
	ok, err := s.isPublicOrigin(r, origin)
	if err != nil {
		e := unavailable(err)
		s.report(r.Context(), "preflight", e)
		writeError(w, e)
		return
	}
	if ok {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// isPublicOrigin reports whether a public client has a target with the origin.
func (s *Server) isPublicOrigin(r *http.Request, origin string) (bool, error) {
	// Only the form in which browsers write it can be registered; "null" is not.
	if origin == "" || store.TargetOrigin(origin) != origin {
		return false, nil
	}
	for c, err := range s.config.Clients.ClientsByOrigin(r.Context(), origin) {
		if err != nil {
			return false, err
		}
		if c.Public && !c.Disabled {
			return true, nil
		}
	}
	return false, nil
}

// allowOrigin lets a public client's own script read the answer.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request, c *store.Client) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	if slices.Contains(target.For(c).Origins(), origin) || slices.Contains(target.RedirectsFor(c).Origins(), origin) {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After, WWW-Authenticate") // RFC 9449, section 8
	}
}
