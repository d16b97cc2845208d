// Package dpoptest makes DPoP proofs (RFC 9449), for tests: right ones, and ones
// with a single fault.
package dpoptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Key is a client's key.
type Key struct {
	signer crypto.Signer
	alg    string
	public map[string]any // as JWK
}

// NewKey returns a key of P-256.
func NewKey(tb testing.TB) *Key {
	tb.Helper()
	return KeyOf(tb, "ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
}

// KeyOf returns the key that signs with alg.
func KeyOf(tb testing.TB, alg string, signer crypto.Signer) *Key {
	tb.Helper()
	k := &Key{signer: signer, alg: alg}
	switch p := signer.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(p.Bytes())
		n := len(point) / 2
		k.public = map[string]any{"kty": "EC", "crv": p.Curve.Params().Name, "x": b64(point[1 : n+1]), "y": b64(point[n+1:])}
	case *rsa.PublicKey:
		k.public = map[string]any{"kty": "RSA", "n": b64(p.N.Bytes()), "e": b64(big.NewInt(int64(p.E)).Bytes())}
	case ed25519.PublicKey:
		k.public = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(p)}
	default:
		tb.Fatalf("a key of %T", p)
	}
	return k
}

// Thumbprint is that of RFC 7638: the members that are required, in their order.
func (k *Key) Thumbprint() store.Digest {
	return sha256.Sum256(must(json.Marshal(k.public))) // keys of maps are sorted
}

// JKT is the thumbprint in base64url.
func (k *Key) JKT() string {
	d := k.Thumbprint()
	return b64(d[:])
}

// Parts are what a proof is made of.
type Parts struct{ Header, Claims map[string]any }

// Change changes a proof before it is signed.
type Change func(Parts)

// Claim sets a claim; nil removes it.
func Claim(name string, value any) Change {
	return func(p Parts) { set(p.Claims, name, value) }
}

// Header sets a member of the header; nil removes it.
func Header(name string, value any) Change {
	return func(p Parts) { set(p.Header, name, value) }
}

// JWK sets a member of the key; nil removes it.
func JWK(name string, value any) Change {
	return func(p Parts) {
		jwk := map[string]any{}
		for k, v := range p.Header["jwk"].(map[string]any) {
			jwk[k] = v
		}
		set(jwk, name, value)
		p.Header["jwk"] = jwk
	}
}

// Nonce sets the nonce.
func Nonce(nonce string) Change { return Claim("nonce", nonce) }

// For sets the hash of an access token.
func For(token string) Change {
	sum := sha256.Sum256([]byte(token))
	return Claim("ath", b64(sum[:]))
}

func set(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// Proof returns a proof for one request.
func (k *Key) Proof(method, address string, changes ...Change) string {
	p := Parts{
		Header: map[string]any{"typ": "dpop+jwt", "alg": k.alg, "jwk": k.public},
		Claims: map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()},
	}
	for _, change := range changes {
		change(p)
	}
	return k.Sign(string(must(json.Marshal(p.Header))), string(must(json.Marshal(p.Claims))))
}

// Sign signs a header and claims as they stand.
func (k *Key) Sign(header, claims string) string {
	input := b64([]byte(header)) + "." + b64([]byte(claims))
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	switch s := k.signer.(type) {
	case *ecdsa.PrivateKey:
		x, y, err := ecdsa.Sign(rand.Reader, s, sum[:])
		if err != nil {
			panic(err)
		}
		n := (s.Curve.Params().BitSize + 7) / 8
		sig = append(x.FillBytes(make([]byte, n)), y.FillBytes(make([]byte, n))...)
	case *rsa.PrivateKey:
		if strings.HasPrefix(k.alg, "PS") {
			sig = must(rsa.SignPSS(rand.Reader, s, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		} else {
			sig = must(rsa.SignPKCS1v15(rand.Reader, s, crypto.SHA256, sum[:]))
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(s, []byte(input))
	}
	return input + "." + b64(sig)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
