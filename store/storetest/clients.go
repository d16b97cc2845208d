package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var clientRules = []rule[store.Clients]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Clients) {
		for name, r := range variants[store.Client]("ID") {
			c.ok(s.PutClient(c.ctx, r), "PutClient, "+name)
			returns(c, "Client, "+name, r)(s.Client(c.ctx, r.ID))
		}
	}},
	{"a client is replaced whole", "PutClient inserts the client or replaces the one with its ID.", func(c *recorder, s store.Clients) {
		first := fresh[store.Client]()
		c.ok(s.PutClient(c.ctx, first), "PutClient")
		for name, r := range variants[store.Client]("ID") {
			r.ID = first.ID
			c.ok(s.PutClient(c.ctx, r), "PutClient over another, "+name)
			returns(c, "Client, "+name, r)(s.Client(c.ctx, r.ID))
			lists(c, "Clients, "+name, s.Clients(c.ctx), r)
		}
	}},
	{"an unknown client is not found", "Client returns the client with the given ID, disabled ones too, or ErrNotFound.", func(c *recorder, s store.Clients) {
		fails[store.Client](c, "Client of an empty store", store.ErrNotFound)(s.Client(c.ctx, "unknown"))
		r := fresh[store.Client]()
		r.Disabled = true
		c.ok(s.PutClient(c.ctx, r), "PutClient")
		returns(c, "Client, disabled", r)(s.Client(c.ctx, r.ID))
		fails[store.Client](c, "Client", store.ErrNotFound)(s.Client(c.ctx, "unknown"))
	}},
	{"IDs are compared exactly", "IDs are compared exactly.", func(c *recorder, s store.Clients) {
		r := fresh[store.Client]()
		r.ID = "no.mediaconnect.Ærlig"
		c.ok(s.PutClient(c.ctx, r), "PutClient")
		for _, id := range []string{"", "no.mediaconnect.ærlig", "NO.MEDIACONNECT.ÆRLIG", r.ID + " ", " " + r.ID, "no.mediaconnect.%", "no_mediaconnect_Ærlig", "no.mediaconnect.*", r.ID + "\x00"} {
			fails[store.Client](c, fmt.Sprintf("Client(%q)", id), store.ErrNotFound)(s.Client(c.ctx, id))
			c.ok(s.DeleteClient(c.ctx, id), "DeleteClient")
		}
		returns(c, "Client", r)(s.Client(c.ctx, r.ID))
	}},
	{"a client without an ID is refused", saysKey, func(c *recorder, s store.Clients) {
		r := fresh[store.Client]()
		r.ID = ""
		if s.PutClient(c.ctx, r) == nil {
			c.errorf("PutClient took a client without an ID")
		}
		lists(c, "Clients", s.Clients(c.ctx))
	}},
	{"the caller may change what it gave", saysValues, func(c *recorder, s store.Clients) {
		r := fresh[store.Client]()
		want := r
		for _, p := range []*[]string{&want.Targets, &want.RedirectURIs, &want.InsecureRedirectPrefixes, &want.Secrets, &want.GrantTypes, &want.Scopes, &want.Resources, &want.PostLogoutRedirectURIs, &want.PaymentSecrets} {
			*p = slices.Clone(*p)
		}
		c.ok(s.PutClient(c.ctx, r), "PutClient")
		for _, p := range [][]string{r.Targets, r.RedirectURIs, r.InsecureRedirectPrefixes, r.Secrets, r.GrantTypes, r.Scopes, r.Resources, r.PostLogoutRedirectURIs, r.PaymentSecrets} {
			p[0] = "changed"
		}
		returns(c, "Client", want)(s.Client(c.ctx, r.ID))
	}},
	{"clients are found by origin", "ClientsByOrigin lists the clients that have a target with the given origin, ordered by ID.", func(c *recorder, s store.Clients) {
		put := func(id string, targets ...string) store.Client {
			r := fresh[store.Client]()
			r.ID, r.Targets = id, targets
			c.ok(s.PutClient(c.ctx, r), "PutClient")
			return r
		}
		b := put("b", "https://paper.example/sport", "https://PAPER.example:443/news", "http://localhost:8080")
		a := put("a", "https://other.example", "https://paper.example")
		d := put("d", "https://[2001:db8::1]:8443/x", "not a URL", "")
		put("e")
		lists(c, "ClientsByOrigin", s.ClientsByOrigin(c.ctx, "https://paper.example"), a, b)
		lists(c, "ClientsByOrigin", s.ClientsByOrigin(c.ctx, "http://localhost:8080"), b)
		lists(c, "ClientsByOrigin", s.ClientsByOrigin(c.ctx, "https://[2001:db8::1]:8443"), d)
		for _, none := range []string{"", "https://paper.example/sport", "http://paper.example", "https://paper.example:8443", "https://%", "https://paper"} {
			lists(c, fmt.Sprintf("ClientsByOrigin(%q)", none), s.ClientsByOrigin(c.ctx, none))
		}
		b = put("b", "https://moved.example")
		lists(c, "ClientsByOrigin after a change", s.ClientsByOrigin(c.ctx, "https://paper.example"), a)
		lists(c, "ClientsByOrigin after a change", s.ClientsByOrigin(c.ctx, "https://moved.example"), b)
		c.ok(s.DeleteClient(c.ctx, "a"), "DeleteClient")
		lists(c, "ClientsByOrigin after deletion", s.ClientsByOrigin(c.ctx, "https://paper.example"))
	}},
	{"the look-up by origin is indexed", "ClientsByOrigin lists, by an indexed look-up, the clients that have a target with the given origin.", func(c *recorder, s store.Clients) {
		best := func() time.Duration {
			least := time.Hour
			for range 20 {
				start := time.Now()
				for range 20 {
					if _, err := collect(s.ClientsByOrigin(c.ctx, "https://one.example")); err != nil {
						c.fatalf("ClientsByOrigin: %v", err)
					}
				}
				least = min(least, time.Since(start))
			}
			return least
		}
		put := func(id, target string) error {
			r := store.Client{ID: id, Targets: []string{target}}
			return s.PutClient(c.ctx, r)
		}
		c.ok(put("one", "https://one.example/"), "PutClient")
		few := best()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 50 {
					if err := put(fmt.Sprint(i, " ", j), fmt.Sprintf("https://x%d.y%d.example/", i, j)); err != nil {
						c.errorf("PutClient: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if many := best(); many > 10*few+time.Millisecond {
			c.errorf("20 look-ups take %v with one client and %v with 1001", few, many)
		}
	}},
	{"all clients are listed in order", "Clients lists all clients, ordered by ID.", func(c *recorder, s store.Clients) {
		lists(c, "Clients of an empty store", s.Clients(c.ctx))
		var want []store.Client
		for _, id := range []string{"c", "B", "a", "10", "2", "æ"} {
			r := fresh[store.Client]()
			r.ID = id
			c.ok(s.PutClient(c.ctx, r), "PutClient")
			want = append(want, r)
		}
		slices.SortFunc(want, func(a, b store.Client) int { return slices.Compare([]byte(a.ID), []byte(b.ID)) })
		lists(c, "Clients", s.Clients(c.ctx), want...)
		for r, err := range s.Clients(c.ctx) { // a list that is left early, and a write while it is walked
			c.ok(err, "Clients")
			c.ok(s.DeleteClient(c.ctx, r.ID), "DeleteClient while Clients is walked")
			break
		}
		lists(c, "Clients after the first was deleted", s.Clients(c.ctx), want[1:]...)
	}},
	{"a deleted client is gone", "DeleteClient removes the client; no error when there is none.", func(c *recorder, s store.Clients) {
		r, other := fresh[store.Client](), fresh[store.Client]()
		c.ok(s.PutClient(c.ctx, r), "PutClient")
		c.ok(s.PutClient(c.ctx, other), "PutClient")
		c.ok(s.DeleteClient(c.ctx, r.ID), "DeleteClient")
		c.ok(s.DeleteClient(c.ctx, r.ID), "DeleteClient once more")
		fails[store.Client](c, "Client", store.ErrNotFound)(s.Client(c.ctx, r.ID))
		lists(c, "Clients", s.Clients(c.ctx), other)
	}},
	{"a shared record is never changed", "ClientSharer is implemented by stores that keep client records in memory and never change one in place. SharedClient is Client without the copy.", func(c *recorder, s store.Clients) {
		sharer, ok := s.(store.ClientSharer)
		if !ok {
			return
		}
		first, second := fresh[store.Client](), fresh[store.Client]()
		second.ID = first.ID
		c.ok(s.PutClient(c.ctx, first), "PutClient")
		shared, err := sharer.SharedClient(c.ctx, first.ID)
		c.ok(err, "SharedClient")
		c.same(*shared, first, "SharedClient")
		c.ok(s.PutClient(c.ctx, second), "PutClient")
		c.same(*shared, first, "the record shared before a change")
		shared, err = sharer.SharedClient(c.ctx, first.ID)
		c.ok(err, "SharedClient after a change")
		c.same(*shared, second, "SharedClient after a change")
		c.ok(s.DeleteClient(c.ctx, first.ID), "DeleteClient")
		c.same(*shared, second, "the record shared before a deletion")
		gone, err := sharer.SharedClient(c.ctx, first.ID)
		c.is(err, store.ErrNotFound, "SharedClient after a deletion")
		if gone != nil {
			c.errorf("SharedClient returned a record along with %v", err)
		}
		contexts, stop := ended(c.ctx)
		defer stop()
		for want, ctx := range contexts {
			_, err := sharer.SharedClient(ctx, first.ID)
			c.is(err, want, "SharedClient")
		}
	}},
	endedContexts[store.Clients](),
	hammered[store.Clients](),
}
