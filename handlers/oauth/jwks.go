package oauth

import (
	"context"
	"net/http"
	"strconv"

	"github.com/connectid-kit/connectid/internal/signing"
)

// JWKS returns the public keys that ID tokens are checked with (RFC 7517, section
// 5), named by jwks_uri in the metadata. A key stands in it before it signs: a
// client may keep the answer for as long as it says.
func (s *Server) JWKS() http.Handler {
	age := "public, max-age=" + strconv.Itoa(int(signing.MaxAge.Seconds()))
	return s.public("jwks", age, func(ctx context.Context) ([]byte, string, error) {
		return s.config.Signer.KeySet(ctx)
	})
}
