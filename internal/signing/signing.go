// Package signing makes, rotates and uses the keys with which the kit signs what
// others check: ID tokens and logout tokens. The keys are in a store, sealed with
// the kit's keys, and shared by all nodes.
//
// A key is published before it signs, so that a client that keeps the key set for
// [MaxAge] knows it by then; only the first key of an algorithm, and one that
// stands in for a key that was lost, sign at once. A key that signs no more stays
// published until what it signed is worth nothing.
//
// Signatures are deterministic (RFC 6979; RSASSA-PKCS1-v1_5 is by itself): the
// same claims at the same time are the same token on every node.
package signing

import (
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// The algorithms (RFC 7518, section 3.1). Every client has to know RS256 (OpenID
// Connect Core 1.0, section 15.1); ES256 is shorter and far cheaper to sign.
const (
	ES256 = "ES256"
	RS256 = "RS256"
)

// The types of what is signed (RFC 7515, section 4.1.9). One is never taken for
// another.
const (
	IDToken     = "JWT"
	LogoutToken = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0, section 2.4
)

// Algs are the algorithms that a client may choose between, the default first.
func Algs() []string { return []string{ES256, RS256} }

// Alg returns the algorithm of a client's ID tokens, or an error for one that
// this package does not know.
func Alg(c *store.Client) (string, error) {
	switch c.IDTokenAlg {
	case "", ES256:
		return ES256, nil
	case RS256:
		return RS256, nil
	}
	return "", fmt.Errorf("bad IDTokenAlg %q: want ES256 or RS256", c.IDTokenAlg)
}

const (
	// MaxAge is how long clients may keep the key set.
	MaxAge = 15 * time.Minute
	// DefaultPeriod and MinPeriod are those of [Config.Period].
	DefaultPeriod = 90 * 24 * time.Hour
	MinPeriod     = 24 * time.Hour

	// MaxLifetime is how long what is signed may be good.
	MaxLifetime = keep

	// keep is how long a key is published and believed after its last signature:
	// at least as long as any token lives, so that a token that has expired still says to
	// whom it was given while the session lasts.
	keep = 7 * 24 * time.Hour
	// maxAhead is how long a key is published before it signs.
	maxAhead = 24 * time.Hour
	// stale is the age at which a request reads the keys again, where nobody calls
	// Tend.
	stale = 5 * time.Minute
	// retry is the pause between such attempts, and between those for the sake of
	// an unknown key.
	retry = 30 * time.Second
	// patience is how long such a request waits for the store.
	patience = time.Second
)

// Config configures a [Signer].
type Config struct {
	Store store.SigningKeys // required
	Keys  *keys.Ring        // required; seals the private keys
	// Clients are looked through for the algorithms that they need, so that Tend
	// makes the keys and no request has to. Default: keys are made at first need.
	Clients store.Clients
	// Period is how long a key signs; default 90 days.
	Period time.Duration
	Logger *slog.Logger // default slog.Default()
}

// Signer signs and checks tokens. It is safe for concurrent use.
type Signer struct {
	config Config
	ahead  time.Duration

	snap atomic.Pointer[snapshot]
	// In Unix nanoseconds.
	tried   atomic.Int64 // when a request last read the keys
	scanned atomic.Int64 // when the clients were looked through

	tending chan struct{}   // holds one element while somebody tends
	wanted  map[string]bool // by algorithm; whoever tends
}

// New returns a signer, or all that is wrong with the configuration. It asks the
// store for nothing.
func New(c Config) (*Signer, error) {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("missing Store"))
	}
	if c.Keys == nil {
		errs = append(errs, errors.New("missing Keys"))
	}
	c.Period = cmp.Or(c.Period, DefaultPeriod)
	if c.Period < MinPeriod {
		errs = append(errs, fmt.Errorf("bad Period %v: want at least %v", c.Period, MinPeriod))
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return &Signer{
		config: c, ahead: min(maxAhead, c.Period/2),
		tending: make(chan struct{}, 1), wanted: map[string]bool{ES256: true},
	}, nil
}

// ErrNoKey says that there is no key to sign with, and that none could be made.
var ErrNoKey = errors.New("no signing key")

// Sign returns the claims as a signed token (RFC 7515, section 7.1) of a type,
// such as [LogoutToken]. While the store is down the keys that are known go on
// signing; the error matches [ErrNoKey] when there is none.
func (s *Signer) Sign(ctx context.Context, typ, alg string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return s.SignAt(ctx, time.Now(), typ, alg, payload)
}

// SignAt is [Signer.Sign] for claims in JSON, with the key that signed at a
// moment that has just passed.
func (s *Signer) SignAt(ctx context.Context, at time.Time, typ, alg string, payload []byte) (string, error) {
	snap, err := s.ready(ctx, alg)
	if err != nil {
		return "", err
	}
	return snap.pick(alg, at, time.Now()).sign(typ, payload)
}

// Ready reports whether there is a key to sign with, and makes the first one. A
// caller that asks before it takes what is used once can sign afterwards.
func (s *Signer) Ready(ctx context.Context, alg string) error {
	_, err := s.ready(ctx, alg)
	return err
}

// ready returns a snapshot with a key that signs.
func (s *Signer) ready(ctx context.Context, alg string) (*snapshot, error) {
	if !slices.Contains(Algs(), alg) {
		return nil, fmt.Errorf("sign: unknown algorithm %q", alg)
	}
	now := time.Now()
	snap := s.snap.Load()
	if snap.pick(alg, now, now) != nil {
		if now.Sub(snap.loaded) >= stale && s.mayRetry(now) {
			s.refresh(ctx)
			if fresh := s.snap.Load(); fresh.pick(alg, now, now) != nil {
				return fresh, nil
			}
		}
		return snap, nil
	}
	if err := s.tend(ctx, []string{alg}, func(snap *snapshot) bool { return snap.pick(alg, now, now) != nil }); err != nil {
		return nil, fmt.Errorf("%w for %s: %w", ErrNoKey, alg, err)
	}
	return s.snap.Load(), nil
}

// mayRetry lets one caller through in each pause.
func (s *Signer) mayRetry(now time.Time) bool {
	last := s.tried.Load()
	return now.Sub(time.Unix(0, last)) >= retry && s.tried.CompareAndSwap(last, now.UnixNano())
}

// refresh reads the keys again for a request that can do without.
func (s *Signer) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.tend(ctx, nil, nil); err != nil {
		s.config.Logger.WarnContext(ctx, "signing keys could not be read: those that are known go on", "err", err)
	}
}

var encoding = base64.RawURLEncoding

// sign returns the compact serialization. It is not left to go-jose, whose
// signers marshal the header each time, and read random numbers.
func (k *key) sign(typ string, payload []byte) (string, error) {
	head := k.heads[typ]
	if head == "" {
		head = k.head(typ)
	}
	b := make([]byte, 0, len(head)+1+encoding.EncodedLen(len(payload))+1+encoding.EncodedLen(maxSignature))
	b = append(b, head...)
	b = append(b, '.')
	b = encoding.AppendEncode(b, payload)
	hash := sha256.Sum256(b)
	// Without a source of random numbers ECDSA is that of RFC 6979.
	sig, err := k.private.Sign(nil, hash[:], crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", k.ID, err)
	}
	b = append(b, '.')
	if k.Alg == ES256 {
		var raw [64]byte
		if !fixed(raw[:], sig) {
			return "", fmt.Errorf("sign with %s: malformed signature", k.ID)
		}
		return string(encoding.AppendEncode(b, raw[:])), nil
	}
	return string(encoding.AppendEncode(b, sig)), nil
}

// maxSignature is the length of the longest signature, RS256 with 2048 bits.
const maxSignature = 256

// fixed writes an ASN.1 signature as the two numbers of RFC 7518, section 3.4.
func fixed(raw, sig []byte) bool {
	var inner cryptobyte.String
	var r, s []byte
	in := cryptobyte.String(sig)
	if !in.ReadASN1(&inner, asn1.SEQUENCE) || !in.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() || len(r) > 32 || len(s) > 32 {
		return false
	}
	copy(raw[32-len(r):32], r)
	copy(raw[64-len(s):], s)
	return true
}

func (k *key) head(typ string) string {
	b, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}{k.Alg, k.ID, typ})
	if err != nil {
		panic(err) // strings
	}
	return encoding.EncodeToString(b)
}

// ErrToken says that a token was not signed by this kit, or by a key that it does
// not know any more.
var ErrToken = errors.New("not a token that was signed here")

// maxToken bounds what is parsed, in bytes.
const maxToken = 16 << 10

// Verify returns the claims of a token that this kit signed and that is of the
// type. It looks at no claim: whether the token has expired is the caller's to
// ask. The error matches [ErrToken] unless the keys can not be read.
func (s *Signer) Verify(ctx context.Context, typ, raw string) ([]byte, error) {
	if len(raw) > maxToken {
		return nil, fmt.Errorf("%w: too long", ErrToken)
	}
	// Only the two algorithms: "none" and those with a shared secret, for which a
	// public key could be passed off, do not parse (RFC 8725, section 3.1).
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{ES256, RS256})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	head := parsed.Signatures[0].Protected
	if got, _ := head.ExtraHeaders[jose.HeaderType].(string); !strings.EqualFold(got, typ) {
		return nil, fmt.Errorf("%w: its type is not %s", ErrToken, typ)
	}
	k, err := s.find(ctx, head.KeyID)
	switch {
	case err != nil:
		return nil, err
	case k == nil || k.Alg != head.Algorithm: // one key, one algorithm
		return nil, fmt.Errorf("%w: unknown key", ErrToken)
	}
	payload, err := parsed.Verify(k.public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return payload, nil
}

// find returns a live key, or nil. For a key that another node may just have made
// the store is asked again, not often.
func (s *Signer) find(ctx context.Context, id string) (*key, error) {
	now := time.Now()
	if s.snap.Load() == nil {
		if err := s.tend(ctx, nil, func(*snapshot) bool { return true }); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
		}
	}
	k := s.snap.Load().byID[id]
	if k == nil && s.mayRetry(now) {
		s.refresh(ctx)
		k = s.snap.Load().byID[id]
	}
	if k != nil && !now.Before(k.ExpiresAt) {
		return nil, nil
	}
	return k, nil
}

// KeySet returns the public keys (RFC 7517, section 5) and an entity tag that
// changes with them.
func (s *Signer) KeySet(ctx context.Context) (body []byte, etag string, err error) {
	snap, err := s.ready(ctx, ES256)
	if err != nil {
		return nil, "", err
	}
	return snap.set, snap.etag, nil
}

// snapshot is what a node knows of the keys. It does not change.
type snapshot struct {
	loaded time.Time
	keys   []*key // that could be opened, by Alg and then by Generation, the newest first
	byID   map[string]*key
	newest map[string]int64 // Generation, of those that could not be opened too
	set    []byte
	etag   string
}

// key is a signing key that is open.
type key struct {
	store.SigningKey
	ring    string // id of the kit key that sealed it
	private crypto.Signer
	public  *jose.JSONWebKey
	heads   map[string]string // by type
}

// signsUntil is when the key has to stop, whatever becomes of its successor.
func (k *key) signsUntil() time.Time { return k.ExpiresAt.Add(-keep) }

// pick returns the key that signs at a moment, of those that may sign now: the
// newest that had begun. When none had, it is the one that begins first.
func (s *snapshot) pick(alg string, at, now time.Time) *key {
	if s == nil {
		return nil
	}
	var first *key
	for _, k := range s.keys {
		if k.Alg != alg || !now.Before(k.signsUntil()) {
			continue
		}
		if first = k; !k.SignsAt.After(at) {
			break
		}
	}
	return first
}
