package target

import (
	"errors"
	"slices"
	"sync"

	"github.com/connectid-kit/connectid/store"
)

// Check reports everything that is wrong with the client's Targets, RedirectURIs
// and InsecureRedirectPrefixes.
func Check(c *store.Client) error {
	_, err := NewSet(c.Targets, c.InsecureAllowHTTP)
	_, err2 := NewRedirectSet(c.RedirectURIs, c.InsecureRedirectPrefixes, c.InsecureAllowHTTP)
	return errors.Join(err, err2)
}

// For returns the compiled Targets of the client. Entries with a fault allow
// nothing. It is compiled again only when the client's record has changed.
func For(c *store.Client) Set { return compiledFor(c).targets }

// RedirectsFor is [For] with the client's redirect URIs.
func RedirectsFor(c *store.Client) RedirectSet { return compiledFor(c).redirects }

type compiled struct {
	source    store.Client // only the fields that were compiled
	targets   Set
	redirects RedirectSet
}

// cacheSize bounds the cache; a full cache is emptied.
const cacheSize = 4096

var cache = struct {
	sync.RWMutex
	m map[string]*compiled
}{m: map[string]*compiled{}}

func compiledFor(c *store.Client) *compiled {
	cache.RLock()
	e := cache.m[c.ID]
	cache.RUnlock()
	if e != nil && e.of(c) {
		return e
	}
	e = &compiled{source: store.Client{
		Targets:                  slices.Clone(c.Targets),
		RedirectURIs:             slices.Clone(c.RedirectURIs),
		InsecureRedirectPrefixes: slices.Clone(c.InsecureRedirectPrefixes),
		InsecureAllowHTTP:        c.InsecureAllowHTTP,
	}}
	e.targets, _ = NewSet(c.Targets, c.InsecureAllowHTTP)
	e.redirects, _ = NewRedirectSet(c.RedirectURIs, c.InsecureRedirectPrefixes, c.InsecureAllowHTTP)
	cache.Lock()
	defer cache.Unlock()
	if len(cache.m) >= cacheSize {
		clear(cache.m)
	}
	cache.m[c.ID] = e
	return e
}

func (e *compiled) of(c *store.Client) bool {
	return e.source.InsecureAllowHTTP == c.InsecureAllowHTTP &&
		slices.Equal(e.source.Targets, c.Targets) &&
		slices.Equal(e.source.RedirectURIs, c.RedirectURIs) &&
		slices.Equal(e.source.InsecureRedirectPrefixes, c.InsecureRedirectPrefixes)
}
