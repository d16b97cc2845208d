package theme

import (
	"container/list"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/internal/texts"
)

// key names everything that a skeleton depends on, beside the client's record.
type key struct {
	look                      *look
	client                    string
	lang, flow, state, action string
	flags                     uint32
	notice                    texts.ID
	faults                    string
	locked, prefilled         bool
	choices, chosen           uint8 // how many, and which one: from 1, or 0
	hasHeading, hasDetails    bool
	wait                      int
}

// flagBits gives each flag of [States] a bit of the key.
var flagBits = func() map[string]uint32 {
	names := make(map[string]bool)
	for _, s := range states {
		for _, f := range s.Flags {
			names[f] = true
		}
	}
	bits := make(map[string]uint32, len(names))
	for i, f := range slices.Sorted(maps.Keys(names)) {
		bits[f] = 1 << i
	}
	return bits
}()

// maxChoices is the most choices with which a page is kept.
const maxChoices = 10

// keyOf returns the key of the page. It reports false for a page whose number of
// variants is not bounded by what the kit knows: those are rendered whole.
func keyOf(p *Page, l *look) (key, bool) {
	k := key{
		look: l, client: p.Client.ID, lang: p.Lang, flow: p.Flow, state: p.State, action: p.Action,
		notice: p.Notice, locked: p.Locked, prefilled: p.Values["credential"] != "",
		hasHeading: p.Heading != "", hasDetails: p.Developer != "",
		wait: p.Wait,
	}
	if p.Widget != nil { // its addresses stand in no hole
		return k, false
	}
	if len(p.Choices) > maxChoices {
		return k, false
	}
	k.choices = uint8(len(p.Choices))
	for i, c := range p.Choices {
		if c.Chosen {
			k.chosen = uint8(i + 1)
		}
	}
	if len(p.Lines)+len(p.Lists)+len(p.Links) > 0 { // a reader's own, in any number
		return k, false
	}
	if p.Values["restartQuery"] != "" { // stands in an address, so in no hole
		return k, false
	}
	for f, on := range p.Flags {
		if !on {
			continue
		}
		bit, ok := flagBits[f]
		if !ok {
			return k, false
		}
		k.flags |= bit
	}
	if len(p.Faults) == 0 {
		return k, true
	}
	var b strings.Builder
	for _, f := range p.Faults {
		for _, a := range f.Args {
			if _, ok := a.(int); !ok {
				return k, false
			}
		}
		fmt.Fprintf(&b, "%q %q %v\n", f.Field, f.Text, f.Args)
	}
	k.faults = b.String()
	return k, true
}

// cache keeps the skeletons that were used last.
type cache struct {
	max int

	mu    sync.Mutex
	byKey map[key]*list.Element
	order *list.List // of *cached, the last used first
}

type cached struct {
	key      key
	shown    shown
	skeleton *skeleton // nil: the page is rendered whole
}

func newCache(max int) *cache {
	return &cache{max: max, byKey: make(map[key]*list.Element), order: list.New()}
}

// get returns what was put under k for a client that shows the same.
func (c *cache) get(k key, shown shown) (*skeleton, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil, false
	}
	v := e.Value.(*cached)
	if v.shown != shown {
		return nil, false
	}
	c.order.MoveToFront(e)
	return v.skeleton, true
}

// put keeps s in place of what was under k, and drops the least used beyond max.
func (c *cache) put(k key, shown shown, s *skeleton) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[k]; ok {
		c.order.Remove(e)
	}
	c.byKey[k] = c.order.PushFront(&cached{k, shown, s})
	for c.order.Len() > max(c.max, 0) {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*cached).key)
	}
}
