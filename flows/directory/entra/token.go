package entra

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/flows/directory"
)

// claims are those of an ID token that decide something. E-mail addresses and
// names are not among them: an administrator of any tenant can write there what
// she likes, and they pass from one person to the next.
type claims struct {
	Issuer   string `json:"iss"`
	Tenant   string `json:"tid"`
	ObjectID string `json:"oid"`
	Party    string `json:"azp"`   // version 2
	App      string `json:"appid"` // version 1
}

// verify judges an ID token (OpenID Connect Core, section 3.1.3.7, and
// Microsoft's "ID token claims reference"). issuer is what the answer itself said
// of its sender, if it did (RFC 9207).
func (d *Directory) verify(ctx context.Context, m metadata, raw, nonce, issuer string) (directory.Identity, error) {
	now := time.Now()
	signature := &signed{d: d}
	verifier := oidc.NewVerifier("", signature, &oidc.Config{
		ClientID:             d.c.ClientID,
		SupportedSigningAlgs: []string{oidc.RS256}, // what Entra signs with; nothing else is looked at
		SkipIssuerCheck:      true,                 // it depends on the tenant, and is checked below
		Now:                  func() time.Time { return now.Add(-d.c.Skew) },
	})
	t, err := verifier.Verify(ctx, raw)
	switch {
	case signature.outage != nil:
		return directory.Identity{}, signature.outage
	case err != nil:
		return directory.Identity{}, refused("%v", err)
	}
	var c claims
	if err := t.Claims(&c); err != nil {
		return directory.Identity{}, refused("the token's claims can not be read")
	}
	tenant, object := strings.ToLower(c.Tenant), strings.ToLower(c.ObjectID)
	switch {
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1:
		return directory.Identity{}, refused("the token is of another sign-in (nonce)")
	case len(t.Audience) != 1: // others might use it against us, and we have named none
		return directory.Identity{}, refused("the token is for %d audiences", len(t.Audience))
	case c.Party != "" && c.Party != d.c.ClientID, c.App != "" && c.App != d.c.ClientID:
		return directory.Identity{}, refused("the token was issued to another application")
	case t.IssuedAt.After(now.Add(d.c.Skew)):
		return directory.Identity{}, refused("the token was issued in the future")
	case !guid.MatchString(tenant):
		return directory.Identity{}, refused("the token names no tenant (tid)")
	case !slices.Contains(d.c.Tenants, tenant):
		return directory.Identity{}, refused("tenant %s is not allowed", tenant)
	case c.Issuer != m.issuerOf(c.Tenant):
		return directory.Identity{}, refused("the token was issued by %.120q", c.Issuer)
	case issuer != "" && issuer != c.Issuer:
		return directory.Identity{}, refused("the answer came from another issuer than the token")
	case !guid.MatchString(object):
		return directory.Identity{}, refused("the token names no person (oid)")
	}
	return directory.Identity{Tenant: tenant, ObjectID: object}, nil
}

// signed is the go-oidc key set of a directory, for one token.
type signed struct {
	d      *Directory
	outage error // why the keys could not be fetched; go-oidc keeps the text of errors alone
}

// VerifySignature implements [oidc.KeySet]: by the key with the token's kid, which
// is fetched if it is not known yet.
func (s *signed) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSigned(jwt, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, errors.New("the token can not be read")
	}
	if len(jws.Signatures) != 1 || jws.Signatures[0].Header.KeyID == "" {
		return nil, errors.New("the token does not say by which key it is signed")
	}
	kid := jws.Signatures[0].Header.KeyID
	keys, err := s.d.keys.get(ctx, func(k keySet) bool { _, ok := k[kid]; return ok })
	if err != nil {
		s.outage = err
		return nil, err
	}
	key, ok := keys[kid]
	if !ok {
		return nil, errors.New("the token is signed by an unknown key")
	}
	payload, err := jws.Verify(key.public)
	if err != nil {
		return nil, errors.New("the token's signature is wrong")
	}
	// A key may be for some tenants only (Microsoft: "Validate the signing key
	// issuer"): otherwise one that signs for consumers could name any tenant.
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errors.New("the token's claims can not be read")
	}
	if key.issuer != "" && strings.ReplaceAll(key.issuer, tenantPlace, c.Tenant) != c.Issuer {
		return nil, errors.New("the token's issuer may not use that key")
	}
	return payload, nil
}
