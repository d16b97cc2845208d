package entra

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// metadata is what the provider's configuration says (OpenID Connect Discovery,
// section 4.2).
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Keys          string `json:"jwks_uri"`
}

// tenantPlace stands for the tenant in the issuer of documents for many tenants.
const tenantPlace = "{tenantid}"

// issuerOf returns the issuer of the tenant's tokens.
func (m metadata) issuerOf(tenant string) string {
	return strings.ReplaceAll(m.Issuer, tenantPlace, tenant)
}

// fetchMetadata fetches the provider's configuration: the tenant's own, or that
// for all companies.
func (d *Directory) fetchMetadata(ctx context.Context) (m metadata, err error) {
	tenant := "organizations"
	if len(d.c.Tenants) == 1 {
		tenant = d.c.Tenants[0]
	}
	at := d.c.Authority + "/" + tenant
	if d.c.Version == 2 {
		at += "/v2.0"
	}
	if err := d.getJSON(ctx, at+"/.well-known/openid-configuration", &m); err != nil {
		return m, fmt.Errorf("entra: metadata: %w", err)
	}
	for name, address := range map[string]string{
		"issuer": m.Issuer, "authorization_endpoint": m.Authorization, "token_endpoint": m.Token, "jwks_uri": m.Keys,
	} {
		if err := d.c.checkAddress(address); err != nil {
			return m, fmt.Errorf("entra: metadata: bad %s %.120q: %w", name, address, err)
		}
	}
	// The issuer's path names the tenant, in one way or the other: tokens of the
	// tenants of one service differ by it. Its host is not that of the authority
	// in version 1 (sts.windows.net).
	place := tenantPlace
	if len(d.c.Tenants) == 1 {
		place = tenant
	}
	if !strings.Contains(m.Issuer, "/"+place) {
		return m, fmt.Errorf("entra: metadata: bad issuer %.120q: want one that names %s", m.Issuer, place)
	}
	m.Issuer = strings.ReplaceAll(m.Issuer, "/"+place, "/"+tenantPlace)
	return m, nil
}

// keySet is the provider's keys by their kid.
type keySet map[string]publicKey

type publicKey struct {
	public *rsa.PublicKey
	issuer string // which may use it, with [tenantPlace]; "" for any
}

// minKeyBits is the least size of a key (NIST SP 800-131A).
const minKeyBits = 2048

// fetchKeys fetches the keys. Those that can sign nothing for us are left out.
func (d *Directory) fetchKeys(ctx context.Context) (keySet, error) {
	m, err := d.meta.get(ctx, nil)
	if err != nil {
		return nil, err
	}
	var doc struct{ Keys []json.RawMessage }
	if err := d.getJSON(ctx, m.Keys, &doc); err != nil {
		return nil, fmt.Errorf("entra: keys: %w", err)
	}
	keys := keySet{}
	for _, raw := range doc.Keys {
		var k jose.JSONWebKey
		var entra struct{ Issuer string }
		if json.Unmarshal(raw, &k) != nil || json.Unmarshal(raw, &entra) != nil {
			continue // of a kind that go-jose does not know
		}
		public, ok := k.Key.(*rsa.PublicKey)
		if !ok || k.KeyID == "" || k.Use != "" && k.Use != "sig" || public.N.BitLen() < minKeyBits {
			continue
		}
		keys[k.KeyID] = publicKey{public, entra.Issuer}
	}
	if len(keys) == 0 {
		return nil, errors.New("entra: keys: none can be used")
	}
	return keys, nil
}

// maxBody bounds what is read of an answer. Entra's keys take about 20 KB.
const maxBody = 512 << 10

func (d *Directory) getJSON(ctx context.Context, address string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return bare(err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := d.http.Do(r)
	if err != nil {
		return bare(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return errors.New("the answer is not the JSON that was asked for")
	}
	return nil
}

// limited ends what is read of each answer at [maxBody].
type limited struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxBody), resp.Body}
	}
	return resp, err
}
