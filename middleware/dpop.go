package middleware

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// The error codes of proofs (RFC 9449, sections 5, 7.1, 8 and 9).
const (
	InvalidDPoPProof = "invalid_dpop_proof"
	UseDPoPNonce     = "use_dpop_nonce"
)

const (
	maxProof    = 8 << 10 // bytes of a proof
	maxJTI      = 256     // bytes of its jti
	minRSA      = 2048    // bits
	maxRSA      = 4096
	nonceWindow = 5 * time.Minute
	// proofSlack is how much longer than a proof is good its jti is kept: nodes
	// whose clocks differ, and a store that is slow, do not let it pass again.
	proofSlack = time.Minute
)

// proofAlgs are the signatures that proofs may have: registered, asymmetric, and
// with one key type each (RFC 9449, section 4.3).
var proofAlgs = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

var proofAlgList = func() string {
	names := DPoPAlgs()
	return strings.Join(names, " ")
}()

// DPoPAlgs returns the names of the signature algorithms that proofs may have,
// for dpop_signing_alg_values_supported (RFC 9449, section 5.1).
func DPoPAlgs() []string {
	var names []string
	for _, a := range proofAlgs {
		names = append(names, string(a))
	}
	return names
}

// DPoPConfig configures a [DPoP].
type DPoPConfig struct {
	// Tickets remember the proofs that were shown. Required.
	Tickets store.Tickets
	// Keys make the nonces: those of the kit, so that every node and every server
	// of one host accepts the same. Required.
	Keys [][]byte
	// Window is how far the time of a proof may be from ours, in both directions;
	// default 60 seconds.
	Window time.Duration
	// InsecureSkipNonce accepts proofs without a nonce of ours. Whoever could use
	// a client's key for a moment, such as by a script in its page, can then make
	// proofs for later (RFC 9449, section 11.2).
	InsecureSkipNonce bool
}

// DPoP checks proofs that a caller has the key to which a token is bound (RFC
// 9449). It is safe for concurrent use.
type DPoP struct {
	c    DPoPConfig
	ring *keys.Ring
	now  atomic.Pointer[nonces]
}

// nonces are those that are good in one window of time.
type nonces struct {
	window int64
	good   []string // the first is given out
}

// NewDPoP returns a DPoP, or all that is wrong with c.
func NewDPoP(c DPoPConfig) (*DPoP, error) {
	var errs []error
	if c.Tickets == nil {
		errs = append(errs, errors.New("missing Tickets"))
	}
	ring, err := keys.New(c.Keys)
	if err != nil {
		errs = append(errs, fmt.Errorf("bad Keys: %w", err))
	}
	c.Window = cmp.Or(c.Window, time.Minute)
	if c.Window < time.Second || c.Window > time.Hour {
		errs = append(errs, fmt.Errorf("bad Window %v: want a second to an hour", c.Window))
	}
	c.Keys = nil
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dpop: %w", err)
	}
	return &DPoP{c: c, ring: ring}, nil
}

// ProofError says what is wrong with a proof.
type ProofError struct {
	Code        string // InvalidDPoPProof or UseDPoPNonce
	Description string
	Err         error // why, for the log; never sent
}

func (e *ProofError) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Description + ": " + e.Err.Error()
	}
	return e.Code + ": " + e.Description
}

// Unwrap returns Err.
func (e *ProofError) Unwrap() error { return e.Err }

func badProof(description string) *ProofError {
	return &ProofError{Code: InvalidDPoPProof, Description: description}
}

// Proof is a proof that was found to be right, but may have been shown before;
// see [DPoP.Spend].
type Proof struct {
	// Key is the thumbprint of its key (RFC 7638), the jkt of bound tokens.
	Key store.Digest

	id   store.Digest
	ends time.Time
}

// Check returns the proof of a request whose address, as the caller sees it, is
// address: it comes from configuration, never from the request's Host. token is the
// access token that came with it, "" for none. The error is a [*ProofError].
// Nothing is written.
func (d *DPoP) Check(r *http.Request, address, token string) (Proof, error) {
	switch values := r.Header["Dpop"]; {
	case len(values) == 0:
		return Proof{}, badProof("missing header DPoP")
	case len(values) > 1: // RFC 9449, section 4.3, point 1
		return Proof{}, badProof("the header DPoP is there more than once")
	default:
		return d.check(values[0], r.Method, address, token, time.Now())
	}
}

// check goes through RFC 9449, section 4.3, points 2 to 12.
func (d *DPoP) check(raw, method, address, token string, now time.Time) (Proof, error) {
	key, c, err := parseProof(raw)
	if err != nil {
		return Proof{}, err
	}
	at := time.UnixMilli(int64(c.IssuedAt * 1000))
	switch off := now.Sub(at); {
	case c.Method != method:
		return Proof{}, badProof("htm is not the method of the request")
	case !sameURI(c.URI, address):
		return Proof{}, badProof("htu is not the address of the request")
	case token != "" && c.TokenHash == "":
		return Proof{}, badProof("missing ath")
	case token != "" && !hashes(token, c.TokenHash):
		return Proof{}, badProof("ath is not the hash of the access token")
	case !d.c.InsecureSkipNonce && c.Nonce == "":
		return Proof{}, &ProofError{Code: UseDPoPNonce, Description: "the proof needs the nonce of the header DPoP-Nonce"}
	case !d.c.InsecureSkipNonce && !slices.Contains(d.nonces(now).good, c.Nonce):
		return Proof{}, &ProofError{Code: UseDPoPNonce, Description: "the nonce of the proof is not one of ours, or too old"}
	case off > d.c.Window, off < -d.c.Window:
		return Proof{}, badProof("iat is too far from the time of this server")
	}
	// RFC 9449, section 11.1: what is kept of a jti has a bounded size.
	id := sha256.Sum256(append(key[:], c.ID...))
	return Proof{Key: key, id: id, ends: at.Add(d.c.Window + proofSlack)}, nil
}

// Spend uses the proof up. Of many callers with one proof exactly one gets a nil
// error, the rest a [*ProofError] (RFC 9449, section 11.1); any other error is one
// of the store, and lets nobody pass. It is called when all else is right with the
// request, so that strangers can not fill the store.
func (d *DPoP) Spend(ctx context.Context, p Proof, clientID string) error {
	err := d.c.Tickets.PutTicket(ctx, store.Ticket{
		Kind: store.ProofID, Hash: p.id, ClientID: clientID, CreatedAt: time.Now(), ExpiresAt: p.ends,
	})
	if errors.Is(err, store.ErrConflict) {
		return badProof("the proof was used before")
	}
	if err != nil {
		return fmt.Errorf("spend a DPoP proof: %w", err)
	}
	return nil
}

// SetNonce hands the caller the nonce for its next proof (RFC 9449, sections 8 and
// 8.2), in an answer that no cache may keep. Without nonces it does nothing.
func (d *DPoP) SetNonce(h http.Header) {
	if d.c.InsecureSkipNonce {
		return
	}
	h.Set("DPoP-Nonce", d.nonce())
	h.Set("Cache-Control", "no-store")
}

// nonce returns the nonce that is given out, "" for none.
func (d *DPoP) nonce() string {
	if d.c.InsecureSkipNonce {
		return ""
	}
	return d.nonces(time.Now()).good[0]
}

// nonces returns the nonces that are good at a time: of its window, of the one
// before, and of the next, which a node with a faster clock may have given out.
// Nothing is stored: a nonce is a MAC of its window, under any key of the ring.
func (d *DPoP) nonces(now time.Time) *nonces {
	window := now.Unix() / int64(nonceWindow/time.Second)
	if n := d.now.Load(); n != nil && n.window == window {
		return n
	}
	n := &nonces{window: window}
	for _, id := range d.ring.IDs() {
		for _, w := range []int64{window, window - 1, window + 1} {
			if mac, ok := d.ring.MACWith(id, "dpop nonce", strconv.FormatInt(w, 10)); ok {
				n.good = append(n.good, keys.Token(mac)[:22])
			}
		}
	}
	d.now.Store(n)
	return n
}

// hashes reports whether hash is that of the token (RFC 9449, section 4.2).
func hashes(token, hash string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(hash)) == 1
}

// claims are what a proof says (RFC 9449, section 4.2).
type claims struct {
	ID        string  `json:"jti"`
	Method    string  `json:"htm"`
	URI       string  `json:"htu"`
	IssuedAt  float64 `json:"iat"`
	TokenHash string  `json:"ath"`
	Nonce     string  `json:"nonce"`
}

// proofHeader is what go-jose does not tell of a header.
type proofHeader struct {
	Type     any                        `json:"typ"`
	Critical any                        `json:"crit"`
	Key      map[string]json.RawMessage `json:"jwk"`
}

// privateParts are the members of keys that are not public (RFC 7518, section 6).
var privateParts = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// parseProof reads a proof and checks all of it that does not depend on the
// request. Members are compared with their case, and none may stand twice.
func parseProof(raw string) (key store.Digest, c claims, err error) {
	if len(raw) > maxProof {
		return key, c, badProof("the proof is too long")
	}
	fail := func(description string, err error) (store.Digest, claims, error) {
		return store.Digest{}, claims{}, &ProofError{Code: InvalidDPoPProof, Description: description, Err: err}
	}
	encoded, _, _ := strings.Cut(raw, ".")
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return fail("the proof is not a signed JWT", err)
	}
	var h proofHeader
	if err := json.Unmarshal(plain, &h); err != nil {
		return fail("the proof is not a signed JWT", err)
	}
	switch {
	case h.Type != "dpop+jwt":
		return fail("typ is not dpop+jwt", nil)
	case h.Critical != nil:
		return fail("crit is not supported", nil)
	case h.Key == nil:
		return fail("missing jwk", nil)
	}
	for _, part := range privateParts {
		if _, has := h.Key[part]; has {
			return fail("jwk has a private part", nil)
		}
	}
	// Refuses none, symmetric algorithms and those that are not in the list.
	jws, err := jose.ParseSignedCompact(raw, proofAlgs)
	if err != nil {
		return fail("the proof is not a JWT signed as "+proofAlgList, err)
	}
	header := jws.Signatures[0].Protected
	if header.JSONWebKey == nil || !fits(header.Algorithm, header.JSONWebKey.Key) {
		return fail("jwk is not a key for alg", nil)
	}
	payload, err := jws.Verify(header.JSONWebKey.Key)
	if err != nil {
		return fail("the signature does not match", err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return fail("the claims are malformed", err)
	}
	switch {
	case c.ID == "":
		return fail("missing jti", nil)
	case len(c.ID) > maxJTI:
		return fail("jti is too long", nil)
	case c.Method == "":
		return fail("missing htm", nil)
	case c.URI == "":
		return fail("missing htu", nil)
	case c.IssuedAt <= 0, c.IssuedAt > math.MaxInt32*1000.0:
		return fail("missing iat", nil)
	}
	thumbprint, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return fail("jwk has no thumbprint", err)
	}
	return store.Digest(thumbprint), c, nil
}

// fits reports whether the key is one for the algorithm. go-jose looks neither at
// the curve of a key nor at its size.
func fits(alg string, key any) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return alg == string(jose.ES256) && k.Curve == elliptic.P256()
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return (alg == string(jose.RS256) || alg == string(jose.PS256)) && minRSA <= bits && bits <= maxRSA
	case ed25519.PublicKey:
		return alg == string(jose.EdDSA) && len(k) == ed25519.PublicKeySize
	}
	return false
}
