package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// rsaBits is the length of RSA keys: the least that RFC 7518, section 3.3 allows.
const rsaBits = 2048

// scanEvery is how often the clients are looked through.
const scanEvery = time.Hour

// Tend reads the keys, and makes those that are missing or due: ES256, what a
// client needs, and what there has been. It is called every minute on any number
// of nodes; of two that make a key at once one wins, and the other takes it.
func (s *Signer) Tend(ctx context.Context) error {
	algs, err := s.needed(ctx)
	if err != nil { // those that there have been are tended all the same
		s.config.Logger.WarnContext(ctx, "the clients could not be asked for their algorithms", "err", err)
	}
	if err := s.tend(ctx, algs, nil); err != nil {
		return fmt.Errorf("tend signing keys: %w", err)
	}
	return nil
}

// tend is Tend for the given algorithms. One caller works at a time; those who
// waited return when the work of another was enough.
func (s *Signer) tend(ctx context.Context, algs []string, enough func(*snapshot) bool) error {
	select {
	case s.tending <- struct{}{}:
		defer func() { <-s.tending }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if snap := s.snap.Load(); enough != nil && snap != nil && enough(snap) {
		return nil
	}
	for _, alg := range algs {
		s.wanted[alg] = true
	}
	// Each round that makes no progress is lost to another node's key.
	for range 8 {
		snap, err := s.load(ctx)
		if err != nil {
			return err
		}
		made, err := s.make(ctx, snap)
		if err != nil {
			if len(snap.keys) > 0 {
				s.snap.Store(snap) // at least what there is
			}
			return err
		}
		if !made {
			s.snap.Store(snap)
			return nil
		}
	}
	return errors.New("too many conflicts")
}

// needed returns the algorithms that the clients need; nothing when they were
// looked through not long ago.
func (s *Signer) needed(ctx context.Context) ([]string, error) {
	now := time.Now()
	if s.config.Clients == nil || now.Sub(time.Unix(0, s.scanned.Load())) < scanEvery {
		return nil, nil
	}
	found := map[string]bool{}
	for c, err := range s.config.Clients.Clients(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list clients: %w", err)
		}
		if alg, err := Alg(&c); err != nil {
			s.config.Logger.ErrorContext(ctx, "a client can not have ID tokens", "client", c.ID, "err", err)
		} else if !c.Disabled {
			found[alg] = true
		}
	}
	s.scanned.Store(now.UnixNano())
	return slices.Collect(maps.Keys(found)), nil
}

// load reads and opens the keys.
func (s *Signer) load(ctx context.Context) (*snapshot, error) {
	old := s.snap.Load()
	snap := &snapshot{loaded: time.Now(), byID: map[string]*key{}, newest: map[string]int64{}}
	for record, err := range s.config.Store.SigningKeys(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list signing keys: %w", err)
		}
		snap.newest[record.Alg] = max(snap.newest[record.Alg], record.Generation)
		var k *key
		if old != nil {
			k = old.byID[record.ID]
		}
		if k == nil || !bytes.Equal(k.Private, record.Private) || !k.ExpiresAt.Equal(record.ExpiresAt) || !k.SignsAt.Equal(record.SignsAt) {
			if k, err = s.open(record); err != nil {
				// Neither used nor published: what can not be opened may have been
				// written by anybody, and its kit key may be gone for a reason.
				s.config.Logger.WarnContext(ctx, "a signing key can not be opened", "key", record.ID, "err", err)
				continue
			}
		}
		snap.keys = append(snap.keys, k)
		snap.byID[k.ID] = k
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range snap.keys {
		set.Keys = append(set.Keys, *k.public)
	}
	var err error
	if snap.set, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("write the key set: %w", err)
	}
	sum := sha256.Sum256(snap.set)
	snap.etag = `"` + encoding.EncodeToString(sum[:16]) + `"`
	return snap, nil
}

// make inserts the keys that are missing or due and reports whether the store has
// others than the snapshot.
func (s *Signer) make(ctx context.Context, snap *snapshot) (bool, error) {
	wanted := maps.Clone(s.wanted)
	for _, k := range snap.keys {
		wanted[k.Alg] = true
	}
	made := false
	for _, alg := range slices.Sorted(maps.Keys(wanted)) {
		now := time.Now().UTC().Truncate(time.Second)
		signs, due := s.due(snap, alg, now)
		if !due {
			continue
		}
		record, err := s.generate(alg, snap.newest[alg]+1, now, signs)
		if err != nil {
			return made, fmt.Errorf("make a key for %s: %w", alg, err)
		}
		switch err := s.config.Store.CreateSigningKey(ctx, record); {
		case errors.Is(err, store.ErrConflict): // another node was first
		case err != nil:
			return made, fmt.Errorf("store a signing key: %w", err)
		default:
			s.config.Logger.InfoContext(ctx, "a signing key was made", "key", record.ID, "alg", alg, "generation", record.Generation, "signs", signs)
		}
		made = true
	}
	return made, nil
}

// due reports whether a key has to be made, and from when on it signs.
func (s *Signer) due(snap *snapshot, alg string, now time.Time) (signs time.Time, due bool) {
	current := snap.pick(alg, now, now)
	if current == nil {
		return now, true
	}
	for _, k := range snap.keys {
		if k.Alg == alg && k.SignsAt.After(now) {
			return now, false // the next is there
		}
	}
	ends := current.SignsAt.Add(s.config.Period)
	if planned := current.signsUntil().Add(-keep); planned.Before(ends) {
		ends = planned // it was made for a shorter period
	}
	announced := now.Add(s.ahead)
	switch {
	case !announced.Before(ends):
		// Late, when nobody tended; the current one goes on for as long.
		if announced.After(current.signsUntil()) {
			announced = current.signsUntil()
		}
		if announced.Before(ends) {
			announced = ends
		}
		return announced, true
	case current.ring != s.config.Keys.ID():
		// Before the kit key that sealed it goes. While nodes disagree about which
		// kit key is the newest, each of these keys waits for the one before it.
		return announced, true
	}
	return now, false
}

// purpose is that of the seal.
const purpose = "signing key"

// generate makes a key pair. Its id is its thumbprint (RFC 7638).
func (s *Signer) generate(alg string, generation int64, now, signs time.Time) (store.SigningKey, error) {
	var private crypto.Signer
	var err error
	if alg == ES256 {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return store.SigningKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.SigningKey{}, err
	}
	defer clear(der)
	public, err := publicKey(alg, private)
	if err != nil {
		return store.SigningKey{}, err
	}
	r := store.SigningKey{
		ID: public.KeyID, Alg: alg, Generation: generation,
		CreatedAt: now, SignsAt: signs, ExpiresAt: signs.Add(s.config.Period + 2*keep),
	}
	if r.Public, err = public.MarshalJSON(); err != nil {
		return store.SigningKey{}, err
	}
	r.Private, err = s.config.Keys.Seal(purpose, sealContext(&r), der)
	return r, err
}

// sealContext is what a sealed key is bound to, so that a record can not be given
// another name or algorithm.
func sealContext(r *store.SigningKey) string { return r.Alg + " " + r.ID }

func publicKey(alg string, private crypto.Signer) (*jose.JSONWebKey, error) {
	public := &jose.JSONWebKey{Key: private.Public(), Algorithm: alg, Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = encoding.EncodeToString(thumbprint)
	return public, nil
}

// open opens a record. The public key is that of the private one, whatever the
// record says.
func (s *Signer) open(r store.SigningKey) (*key, error) {
	der, ring, err := s.config.Keys.Open(purpose, sealContext(&r), r.Private)
	if errors.Is(err, keys.ErrSeal) {
		return nil, errors.New("it was sealed with a kit key that is gone, or is damaged")
	}
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	k := &key{SigningKey: r, ring: ring, heads: map[string]string{}}
	switch p := parsed.(type) {
	case *ecdsa.PrivateKey:
		if r.Alg != ES256 || p.Curve != elliptic.P256() {
			return nil, errors.New("an EC key that is not for ES256")
		}
		k.private = p
	case *rsa.PrivateKey:
		if r.Alg != RS256 || p.N.BitLen() < rsaBits {
			return nil, errors.New("an RSA key that is not for RS256")
		}
		k.private = p
	default:
		return nil, errors.New("an unknown kind of key")
	}
	if k.public, err = publicKey(r.Alg, k.private); err != nil {
		return nil, err
	}
	for _, typ := range []string{IDToken, LogoutToken} {
		k.heads[typ] = k.head(typ)
	}
	return k, nil
}
