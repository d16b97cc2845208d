package oauth

import (
	"encoding/json"
	"net/http"
	"slices"
)

// metadata returns the document of RFC 8414, section 3.2.
func (s *Server) metadata() []byte {
	grants := []string{grantCode, grantRefresh, grantClient}
	for t := range s.extensions {
		grants = append(grants, t)
	}
	slices.Sort(grants[3:])
	withSecret := []string{"client_secret_basic", "client_secret_post"}
	body, err := json.Marshal(map[string]any{
		"issuer":                                         s.config.Issuer,
		"authorization_endpoint":                         s.config.Issuer + "/oauth/authorize",
		"token_endpoint":                                 s.config.Issuer + "/oauth/token",
		"revocation_endpoint":                            s.config.Issuer + "/oauth/revoke",
		"introspection_endpoint":                         s.config.Issuer + "/oauth/introspect",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          grants,
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          append(slices.Clone(withSecret), "none"),
		"revocation_endpoint_auth_methods_supported":     append(slices.Clone(withSecret), "none"),
		"introspection_endpoint_auth_methods_supported":  withSecret,
		"authorization_response_iss_parameter_supported": true, // RFC 9207
		"ui_locales_supported":                           []string{"nb", "nn", "sv", "da", "fi", "en"},
	})
	if err != nil {
		panic(err) // strings only
	}
	return body
}

// Metadata returns the handler of the authorization server's metadata (RFC
// 8414). It belongs at /.well-known/oauth-authorization-server followed by the
// issuer's path, and is also served under the login server's prefix.
func (s *Server) Metadata() http.Handler {
	body := s.document
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodOptions:
			s.preflight(w, r)
			return
		default:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			writeError(w, &Error{Code: InvalidRequest, Description: "use GET", Status: http.StatusMethodNotAllowed})
			return
		}
		h := w.Header()
		if origin := r.Header.Get("Origin"); origin != "" {
			// Without the permission the document itself is still public, so a
			// store that fails here is only logged.
			ok, err := s.isPublicOrigin(r, origin)
			if err != nil {
				s.report(r.Context(), "metadata", unavailable(err))
			}
			if ok {
				h.Set("Access-Control-Allow-Origin", origin)
			}
		}
		h.Add("Vary", "Origin")
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		w.Write(body)
	})
}
