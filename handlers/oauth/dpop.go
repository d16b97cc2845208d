package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// prove checks the DPoP proof of a request to an endpoint (RFC 9449, section 5),
// and hands out the nonce for the next one. Nothing is written: see spend. A
// request without a proof is one for bearer tokens.
func (s *Server) prove(w http.ResponseWriter, r *http.Request, c *caller, endpoint string) error {
	if s.config.DPoP == nil || len(r.Header["Dpop"]) == 0 {
		return nil
	}
	s.config.DPoP.SetNonce(w.Header())
	p, err := s.config.DPoP.Check(r, s.config.Issuer+endpoint, "")
	if err != nil {
		return proofFault(err)
	}
	c.proof = &p
	return nil
}

// needProof refuses what a client has to bind to a key (RFC 9449, section 5.2).
func (s *Server) needProof(w http.ResponseWriter, c *caller) error {
	if !c.RequireDPoP || c.proof != nil {
		return nil
	}
	if s.config.DPoP != nil {
		s.config.DPoP.SetNonce(w.Header())
	}
	return fault(middleware.InvalidDPoPProof, "this client has to send a DPoP proof")
}

// spend uses the proof of the request up. It is called when all else is right, so
// that strangers can not fill the store.
func (s *Server) spend(ctx context.Context, c *caller) error {
	if c.proof == nil {
		return nil
	}
	if err := s.config.DPoP.Spend(ctx, *c.proof, c.ID); err != nil {
		return proofFault(err)
	}
	return nil
}

// proofFault returns the error that travels for one of a proof.
func proofFault(err error) error {
	if e, ok := errors.AsType[*middleware.ProofError](err); ok {
		return &Error{Code: e.Code, Description: e.Description, Err: e.Err}
	}
	return err
}

// key is the thumbprint of the key that the request proved; zero for none.
func (c *caller) key() store.Digest {
	if c.proof == nil {
		return store.Digest{}
	}
	return c.proof.Key
}

// refreshKey is the key to which refresh tokens are bound: those of public clients
// alone, as others prove who they are (RFC 9449, section 5).
func (c *caller) refreshKey() store.Digest {
	if !c.Public {
		return store.Digest{}
	}
	return c.key()
}

// parseThumbprint reads a dpop_jkt (RFC 9449, section 10): the SHA-256 thumbprint
// of a key in base64url.
func parseThumbprint(s string) (store.Digest, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(store.Digest{}) || !isToken(s, 43) {
		return store.Digest{}, false
	}
	return store.Digest(b), true
}

// confirmation is how introspection tells of a key (RFC 9449, section 6.2).
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// confirm returns what is said of a key; nil for none.
func confirm(key store.Digest) *confirmation {
	if key.IsZero() {
		return nil
	}
	return &confirmation{base64.RawURLEncoding.EncodeToString(key[:])}
}

// tokenType is what an access token with that key is called (RFC 9449, section 5).
func tokenType(key store.Digest) string {
	if key.IsZero() {
		return "Bearer"
	}
	return "DPoP"
}
