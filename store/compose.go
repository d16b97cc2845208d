package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Roles names a backend for every role, such as users in PostgreSQL, sessions
// and counters in Redis. One backend may have several roles; all are required,
// and Users and Merges have to be the same one.
type Roles struct {
	Clients        Clients
	Users          Users
	Merges         Merges
	Sessions       Sessions
	RememberSeries RememberSeries
	OneTimeCodes   OneTimeCodes
	Runs           Runs
	Grants         Grants
	Counters       Counters
	DirectoryLinks DirectoryLinks
	Customers      Customers
	Subscriptions  Subscriptions
	Memberships    Memberships
	Tickets        Tickets
	SigningKeys    SigningKeys
	Consents       Consents
	Outbox         Outbox
	Products       Products
	Coupons        Coupons
	Vouchers       Vouchers
	Articles       Articles
	Accesses       Accesses
	Organisations  Organisations
	Orders         Orders
}

// Composed is a [Store] put together by [Compose].
type Composed struct {
	clients
	users
	merges
	sessions
	series
	codes
	runs
	grants
	counters
	directories
	customers
	subscriptions
	memberships
	tickets
	signingKeys
	consents
	outbox
	products
	coupons
	vouchers
	articles
	accesses
	organisations
	orders

	backends []backend
}

// Names under which the roles can be embedded: Clients is also a method.
type (
	clients       = Clients
	users         = Users
	sessions      = Sessions
	series        = RememberSeries
	codes         = OneTimeCodes
	runs          = Runs
	grants        = Grants
	counters      = Counters
	customers     = Customers
	subscriptions = Subscriptions
	memberships   = Memberships
	products      = Products
	coupons       = Coupons
	vouchers      = Vouchers
	articles      = Articles
	accesses      = Accesses
	organisations = Organisations
	orders        = Orders
	directories   = DirectoryLinks
	merges        = Merges
	tickets       = Tickets
	signingKeys   = SigningKeys
	consents      = Consents
	outbox        = Outbox
)

var (
	_ Store   = (*Composed)(nil)
	_ Sweeper = (*Composed)(nil)
	_ Pinger  = (*Composed)(nil)

	_ ClientSharer = (*Composed)(nil)
)

// backend is one of the stores behind the roles, named by the first it has.
type backend struct {
	role  string
	store any
}

// Compose returns the store whose roles are kept by the given backends, or an
// error that names every role that is missing. Its Sweep and Ping reach each
// backend that has them, once.
func Compose(r Roles) (*Composed, error) {
	c := &Composed{
		clients: r.Clients, users: r.Users, merges: r.Merges, sessions: r.Sessions, series: r.RememberSeries,
		codes: r.OneTimeCodes, runs: r.Runs, grants: r.Grants, counters: r.Counters,
		directories: r.DirectoryLinks,
		customers:   r.Customers, subscriptions: r.Subscriptions, memberships: r.Memberships,
		tickets: r.Tickets, signingKeys: r.SigningKeys, consents: r.Consents, outbox: r.Outbox,
		products: r.Products, coupons: r.Coupons, vouchers: r.Vouchers, articles: r.Articles,
		accesses: r.Accesses, organisations: r.Organisations, orders: r.Orders,
	}
	var missing []string
	v := reflect.ValueOf(r)
	for i := range v.NumField() {
		role, s := v.Type().Field(i).Name, v.Field(i).Interface()
		if isNil(s) {
			missing = append(missing, role)
			continue
		}
		if !slices.ContainsFunc(c.backends, func(b backend) bool { return sameStore(b.store, s) }) {
			c.backends = append(c.backends, backend{role, s})
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("store: no backend for %s", strings.Join(missing, ", "))
	}
	if !sameStore(r.Users, r.Merges) {
		return nil, errors.New("store: Merges has another backend than Users: both change in one step")
	}
	return c, nil
}

// isNil reports whether s is nothing, also a nil pointer in an interface.
func isNil(s any) bool {
	v := reflect.ValueOf(s)
	return s == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// sameStore compares what can be compared; a backend that can not counts as
// another each time, which costs a call and no more.
func sameStore(a, b any) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// SharedClient implements [ClientSharer], by a copy if the backend is none.
func (c *Composed) SharedClient(ctx context.Context, id string) (*Client, error) {
	return SharedClient(ctx, c.clients, id)
}

// Sweep sweeps one backend after the other until limit records are removed. A
// backend that fails does not keep the others from being swept.
func (c *Composed) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	total := 0
	var errs []error
	for _, b := range c.backends {
		s, ok := b.store.(Sweeper)
		if !ok || total >= limit {
			continue
		}
		n, err := s.Sweep(ctx, now, limit-total)
		total += n
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep the store of %s: %w", b.role, err))
		}
	}
	return total, errors.Join(append(errs, ctx.Err())...)
}

// Ping returns what is wrong with each backend that is out of reach.
func (c *Composed) Ping(ctx context.Context) error {
	var errs []error
	for _, b := range c.backends {
		if p, ok := b.store.(Pinger); ok {
			if err := p.Ping(ctx); err != nil {
				errs = append(errs, fmt.Errorf("ping the store of %s: %w", b.role, err))
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}
