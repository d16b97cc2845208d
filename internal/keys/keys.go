// Package keys derives everything that connectid seals, signs and hashes with a
// key from the list of kit keys: the first is used, the others still open what
// they once sealed.
package keys

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/connectid-kit/connectid/store"
)

// MinLength is the least number of bytes of a key.
const MinLength = 32

// Ring is a list of keys, newest first. It is safe for concurrent use.
type Ring struct {
	keys []key
}

type key struct {
	id     string // public: says which key derived a value
	secret []byte

	mu   sync.RWMutex
	macs map[string]*sync.Pool // by purpose
}

// New returns the ring of the given keys: at least one, each of at least
// [MinLength] bytes, none of them constant, no two the same. All faults are
// reported at once.
func New(secrets [][]byte) (*Ring, error) {
	var errs []error
	if len(secrets) == 0 {
		errs = append(errs, errors.New("no key: give at least one of 32 random bytes"))
	}
	r := &Ring{keys: make([]key, len(secrets))}
	for i, s := range secrets {
		switch {
		case len(s) < MinLength:
			errs = append(errs, fmt.Errorf("key %d is too short: %d bytes, want at least %d", i, len(s), MinLength))
			continue
		case len(bytes.Trim(s, string(s[:1]))) == 0:
			errs = append(errs, fmt.Errorf("key %d is the same byte all through", i))
			continue
		}
		id, err := hkdf.Key(sha256.New, s, nil, "connectid key id", 6)
		if err != nil {
			return nil, fmt.Errorf("derive key id: %w", err)
		}
		r.keys[i].id, r.keys[i].secret = hex.EncodeToString(id), bytes.Clone(s)
		r.keys[i].macs = map[string]*sync.Pool{}
		for j := range i {
			if bytes.Equal(secrets[j], s) {
				errs = append(errs, fmt.Errorf("key %d is key %d again", i, j))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// ID returns the id of the newest key. It is public, and the same after a restart.
func (r *Ring) ID() string { return r.keys[0].id }

// IDs returns the ids of all keys, the newest first.
func (r *Ring) IDs() []string {
	ids := make([]string, len(r.keys))
	for i := range r.keys {
		ids[i] = r.keys[i].id
	}
	return ids
}

// MAC returns HMAC-SHA256 over the parts, each with its length before it, under
// the newest key and a sub-key that is the purpose's own.
func (r *Ring) MAC(purpose string, parts ...string) store.Digest {
	return r.keys[0].mac(purpose, parts)
}

// MACWith is [Ring.MAC] under the key with the given id; false when the ring
// does not have it any more.
func (r *Ring) MACWith(id, purpose string, parts ...string) (store.Digest, bool) {
	for i := range r.keys {
		if r.keys[i].id == id {
			return r.keys[i].mac(purpose, parts), true
		}
	}
	return store.Digest{}, false
}

// macState is an HMAC with room for what is fed to it and taken from it.
type macState struct {
	h   hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

func (k *key) mac(purpose string, parts []string) store.Digest {
	k.mu.RLock()
	pool := k.macs[purpose]
	k.mu.RUnlock()
	if pool == nil {
		sub := k.sub("mac " + purpose)
		pool = &sync.Pool{New: func() any { return &macState{h: hmac.New(sha256.New, sub)} }}
		k.mu.Lock()
		k.macs[purpose] = pool
		k.mu.Unlock()
	}
	m := pool.Get().(*macState)
	defer pool.Put(m)
	m.h.Reset()
	m.buf = m.buf[:0]
	for _, p := range parts {
		n := uint64(len(p))
		m.buf = append(m.buf, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		m.buf = append(m.buf, p...)
	}
	m.h.Write(m.buf)
	clear(m.buf)
	return store.Digest(m.h.Sum(m.sum[:0]))
}

// sub returns the 32-byte sub-key for a purpose.
func (k *key) sub(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, k.secret, nil, "connectid "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that are not written here
	}
	return b
}

// Codec seals short byte strings for the browser and opens them again, by
// gorilla/securecookie. It is safe for concurrent use.
type Codec struct {
	codecs []*securecookie.SecureCookie
}

// Codec returns the codec of one purpose. What it sealed opens for maxAge. With
// encrypt the content can not be read either; otherwise it is only signed.
func (r *Ring) Codec(purpose string, maxAge time.Duration, encrypt bool) *Codec {
	c := &Codec{}
	for i := range r.keys {
		var block []byte
		if encrypt {
			block = r.keys[i].sub("block " + purpose)
		}
		sc := securecookie.New(r.keys[i].sub("hash "+purpose), block).
			SetSerializer(securecookie.NopEncoder{}).
			MaxLength(0) // callers bound what they seal and what they open
		sc.MaxAge(int(maxAge / time.Second))
		c.codecs = append(c.codecs, sc)
	}
	return c
}

// Seal seals value under name; only the same name opens it.
func (c *Codec) Seal(name string, value []byte) (string, error) {
	// With a block key NopEncoder would encrypt the caller's bytes in place.
	s, err := c.codecs[0].Encode(name, bytes.Clone(value))
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", name, err)
	}
	return s, nil
}

// ErrSeal says that a value was not sealed by this kit under that name, or too
// long ago.
var ErrSeal = errors.New("not a valid sealed value")

// Open returns what was sealed, or an error that matches [ErrSeal].
func (c *Codec) Open(name, sealed string) ([]byte, error) {
	for _, sc := range c.codecs {
		var value []byte
		if err := sc.Decode(name, sealed, &value); err == nil {
			return value, nil
		}
	}
	return nil, ErrSeal
}

// Token returns the digest as a token: base64url without padding.
func Token(d store.Digest) string {
	var b [43]byte
	base64.RawURLEncoding.Encode(b[:], d[:])
	return string(b[:])
}
