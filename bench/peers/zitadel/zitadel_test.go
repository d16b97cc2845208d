package zitadel

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/connectid-kit/connectid/bench/peers/work"
)

func opener(kind op.AccessTokenType) func(testing.TB, string) work.Server {
	return func(tb testing.TB, scope string) work.Server { return open(tb, kind) }
}

func open(tb testing.TB, kind op.AccessTokenType) work.Server {
	st := newStorage(work.NewKey(tb), kind)
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: [32]byte([]byte(work.Hash("a key that seals opaque tokens"))[:32]), CryptoKeyId: "1",
		CodeMethodS256: true, GrantTypeRefreshToken: true,
	}, st, op.StaticIssuer("https://id.example"))
	if err != nil {
		tb.Fatal(err)
	}
	// The steps of the library's own endpoints that are given an access token.
	tokenID := func(ctx context.Context, token string) (string, bool) {
		if kind == op.AccessTokenTypeJWT {
			claims, err := op.VerifyAccessToken[*oidc.AccessTokenClaims](ctx, token, provider.AccessTokenVerifier(ctx))
			if err != nil {
				return "", false
			}
			return claims.JWTID, true
		}
		opened, err := provider.Crypto().Decrypt(token)
		if err != nil {
			return "", false
		}
		id, _, ok := strings.Cut(opened, ":")
		return id, ok
	}
	return work.Server{
		TokenURL: "https://id.example/oauth/token",
		Token:    provider,
		Guard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), oidc.PrefixBearer)
			ctx := op.ContextWithIssuer(r.Context(), "https://id.example")
			id, ok := tokenID(ctx, raw)
			if !ok {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			clientID, ok := st.liveToken(id)
			if !ok {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, clientID)
		}),
		NewCode: func(ctx context.Context, scope string) (string, error) {
			request, err := st.CreateAuthRequest(ctx, &oidc.AuthRequest{
				ClientID: work.ClientID, RedirectURI: work.RedirectURI, ResponseType: oidc.ResponseTypeCode,
				Scopes: strings.Fields(scope), Nonce: work.Nonce,
				CodeChallenge: work.Challenge, CodeChallengeMethod: oidc.CodeChallengeMethodS256,
			}, work.UserID)
			if err != nil {
				return "", err
			}
			return op.CreateAuthRequestCode(ctx, request, st, provider.Crypto())
		},
		Key:           &st.key.PublicKey,
		AlwaysIDToken: true,
	}
}

func TestWork(t *testing.T) {
	t.Run("zitadel", func(t *testing.T) { work.Check(t, opener(op.AccessTokenTypeBearer)) })
	t.Run("zitadel, JWT", func(t *testing.T) { work.Check(t, opener(op.AccessTokenTypeJWT)) })
}

func BenchmarkWork(b *testing.B) {
	b.Run("zitadel", func(b *testing.B) { work.Bench(b, opener(op.AccessTokenTypeBearer)) })
	b.Run("zitadel, JWT", func(b *testing.B) { work.Bench(b, opener(op.AccessTokenTypeJWT)) })
}
