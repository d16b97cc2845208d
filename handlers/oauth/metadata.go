package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/internal/signing"
	"github.com/connectid-kit/connectid/middleware"
)

// metadata returns the document of RFC 8414, section 3.2 and of OpenID Connect
// Discovery 1.0, section 3. A part of the server that can do more adds its field.
func (s *Server) metadata() []byte {
	grants := []string{grantCode, grantRefresh, grantClient}
	for t := range s.extensions {
		grants = append(grants, t)
	}
	slices.Sort(grants[3:])
	withSecret := []string{"client_secret_basic", "client_secret_post"}
	document := map[string]any{
		"issuer":                                         s.config.Issuer,
		"authorization_endpoint":                         s.config.Issuer + "/oauth/authorize",
		"token_endpoint":                                 s.config.Issuer + "/oauth/token",
		"pushed_authorization_request_endpoint":          s.config.Issuer + "/oauth/par",
		"require_pushed_authorization_requests":          false, // of all clients (RFC 9126, section 5)
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
		"end_session_endpoint":                           s.config.Issuer + "/oauth/logout",
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"prompt_values_supported":                        prompts,
		"ui_locales_supported":                           []string{"nb", "nn", "sv", "da", "fi", "en"},

		// OpenID Connect. Scopes and claims are those that have a meaning here; a
		// client may ask for what its record lists.
		"jwks_uri":                              s.config.Issuer + "/oauth/jwks",
		"userinfo_endpoint":                     s.config.Issuer + "/oauth/userinfo",
		"scopes_supported":                      []string{scopeOpenID, scopeProfile, scopeEmail, scopePhone, scopeOffline},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": signing.Algs(),
		"claim_types_supported":                 []string{"normal"},
		"claims_supported": []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid", "acr", "amr", "at_hash",
			"name", "given_name", "family_name", "locale", "updated_at",
			"email", "email_verified", "phone_number", "phone_number_verified",
		},
		"claims_parameter_supported":      false,
		"request_parameter_supported":     false,
		"request_uri_parameter_supported": false, // absent would mean true; those of pushed requests are (RFC 9126, section 5)
	}
	if s.config.DPoP != nil {
		document["dpop_signing_alg_values_supported"] = middleware.DPoPAlgs() // RFC 9449, section 5.1
	}
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // strings and booleans only
	}
	return body
}

// Metadata returns the handler of the authorization server's metadata (RFC 8414),
// which is that of OpenID Connect Discovery 1.0, section 4 too. It belongs at
// /.well-known/oauth-authorization-server followed by the issuer's path, and, as
// /.well-known/openid-configuration, behind the issuer; the kit serves both names
// in both places.
func (s *Server) Metadata() http.Handler {
	body, etag := s.document, etagOf(s.document)
	return s.public("metadata", "public, max-age=3600", func(context.Context) ([]byte, string, error) {
		return body, etag, nil
	})
}

// public serves a document that everybody may read and keep. A public client's
// scripts may read it too.
func (s *Server) public(endpoint, caching string, load func(context.Context) (body []byte, etag string, err error)) http.Handler {
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
		ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
		defer cancel()
		r = r.WithContext(ctx)
		h := w.Header()
		if origin := r.Header.Get("Origin"); origin != "" {
			// Without the permission the document itself is still public, so a
			// store that fails here is only logged.
			ok, err := s.isPublicOrigin(r, origin)
			if err != nil {
				s.report(ctx, endpoint, unavailable(err))
			}
			if ok {
				h.Set("Access-Control-Allow-Origin", origin)
			}
		}
		h.Add("Vary", "Origin")
		body, etag, err := load(ctx)
		if err != nil {
			e := asError(err)
			s.report(ctx, endpoint, e)
			writeError(w, e)
			return
		}
		h.Set("Cache-Control", caching)
		h.Set("ETag", etag)
		h.Set("X-Content-Type-Options", "nosniff")
		if matchesTag(r.Header.Values("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "application/json")
		w.Write(body)
	})
}

// etagOf returns a strong entity tag (RFC 9110, section 8.8.3).
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// matchesTag evaluates If-None-Match (RFC 9110, section 13.1.2), for tags without
// a comma in them.
func matchesTag(headers []string, etag string) bool {
	for _, h := range headers {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}
