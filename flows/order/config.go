package order

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

const (
	defaultPayWithin   = 24 * time.Hour
	defaultClaimWithin = 24 * time.Hour
	// leastWithin is the least of both: less would give up payments while their
	// payers look for their cards.
	leastWithin = time.Minute
)

// New returns the service, or an error that names all that is wrong with c.
func New(c Config) (*Service, error) {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Store == nil {
		fault("missing Store")
	}
	if c.Clients == nil {
		fault("missing Clients: give the store of client records")
	}
	if c.Keys == nil {
		fault("missing Keys")
	}
	if c.Publishers == nil {
		fault("missing Publishers: give what publisher.New returns")
	}
	s := &Service{c: c, merchants: map[string]*Merchant{}}
	s.c.Merchants = slices.Clone(c.Merchants)
	defaults := map[string]string{} // merchants by partner
	for i := range s.c.Merchants {
		m := &s.c.Merchants[i]
		m.Group = cmp.Or(m.Group, m.ID)
		m.Providers = maps.Clone(m.Providers)
		name := fmt.Sprintf("Merchants[%d]", i)
		if !isName(m.ID) {
			fault("bad ID %q of %s: want 1 to 40 letters, digits, dots, hyphens and underscores", m.ID, name)
		} else if name = fmt.Sprintf("merchant %s", m.ID); s.merchants[m.ID] != nil {
			fault("%s is given twice: give each merchant an ID of its own, also at another partner", name)
		}
		s.merchants[m.ID] = m
		if m.PartnerID == "" {
			fault("missing PartnerID of %s: name the partner whose orders it is paid for", name)
		}
		if other, ok := defaults[m.PartnerID]; ok && m.Default {
			fault("%s and merchant %s are both the Default of partner %s: keep one", name, other, m.PartnerID)
		}
		if m.Default {
			defaults[m.PartnerID] = m.ID
		}
		if len(m.Providers) == 0 {
			fault("missing Providers of %s: name at least one method and its provider", name)
		}
		for _, method := range slices.Sorted(maps.Keys(m.Providers)) {
			switch {
			case !slices.Contains(providerMethods, method):
				fault("bad method %q in Providers of %s: want one of %v", method, name, providerMethods)
			case m.Providers[method] == nil:
				fault("missing provider for %s of %s", method, name)
			}
		}
		if m.Providers[CreditCard] != nil && m.Providers[CreditCardPayEx] != nil {
			fault("%s has a provider for %s and one for %s, which are the same method: keep one", name, CreditCard, CreditCardPayEx)
		}
	}
	for _, partner := range slices.Sorted(maps.Keys(c.Desks)) {
		if partner == "" || c.Desks[partner] == nil {
			fault("bad Desks[%q]: want a partner and its system", partner)
		}
	}
	s.c.CallbackURL = strings.TrimSuffix(c.CallbackURL, "/")
	s.c.ScriptReturnURL = strings.TrimSuffix(c.ScriptReturnURL, "/")
	for _, address := range []struct{ field, raw, example string }{
		{"CallbackURL", s.c.CallbackURL, "https://connectid.example/capi/mcpay/callback"},
		{"ScriptReturnURL", s.c.ScriptReturnURL, "https://connectid.example/capi/mcpay/return"},
	} {
		if address.raw == "" {
			if len(c.Merchants) > 0 {
				fault("missing %s: payments need an address such as %s", address.field, address.example)
			}
			continue
		}
		if err := checkOwn(address.raw); err != nil {
			fault("bad %s %q: %w, such as %s", address.field, address.raw, err, address.example)
		}
	}
	s.c.PayWithin = cmp.Or(c.PayWithin, defaultPayWithin)
	s.c.ClaimWithin = cmp.Or(c.ClaimWithin, defaultClaimWithin)
	for _, within := range []struct {
		field string
		d     time.Duration
	}{{"PayWithin", s.c.PayWithin}, {"ClaimWithin", s.c.ClaimWithin}} {
		if within.d < leastWithin {
			fault("bad %s %v: want at least %v", within.field, within.d, leastWithin)
		}
	}
	if s.c.Logger == nil {
		s.c.Logger = slog.Default()
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	s.wakes = map[store.DeliveryKind]chan struct{}{}
	for kind := range s.workers() {
		s.wakes[kind] = make(chan struct{}, 1)
	}
	return s, nil
}

// providerMethods are those that a provider can be configured for.
var providerMethods = []Method{
	CreditCard, CreditCardPayEx, VippsRecurring, VippsEcommerce, SwishPayEx, KlarnaCheckout, Nexi, SMS, OtherMethod,
}

// isName reports whether id can stand in an address as it is.
func isName(id string) bool {
	ok := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(".-_", c)
	}
	return id != "" && len(id) <= 40 && strings.Trim(id, ".") != "" &&
		!strings.ContainsFunc(id, func(c rune) bool { return !ok(c) })
}

// checkOwn checks an address of the kit's own that others are given.
func checkOwn(raw string) error {
	u, err := target.Parse(raw)
	switch {
	case err != nil:
		return err
	case strings.ContainsAny(raw, "?#"):
		return errors.New("it has a query or a fragment: want a plain address")
	case !strings.HasPrefix(u.Origin(), "https:") && !u.IsLoopback():
		return errors.New("it is not https")
	}
	return nil
}

// card gives the methods that are the same one name.
func (m Method) card() Method {
	if m == CreditCard {
		return CreditCardPayEx
	}
	return m
}

// provider returns the merchant's provider for the method, nil when it has none.
func (m *Merchant) provider(method Method) Provider {
	if p := m.Providers[method]; p != nil {
		return p
	}
	switch method {
	case CreditCard:
		return m.Providers[CreditCardPayEx]
	case CreditCardPayEx:
		return m.Providers[CreditCard]
	}
	return nil
}

// merchant returns the partner's merchant with the ID, and its Default for an empty
// one; nil when there is none.
func (s *Service) merchant(partnerID, id string) *Merchant {
	if id != "" {
		if m := s.merchants[id]; m != nil && m.PartnerID == partnerID {
			return m
		}
		return nil
	}
	for i := range s.c.Merchants {
		if m := &s.c.Merchants[i]; m.PartnerID == partnerID && m.Default {
			return m
		}
	}
	return nil
}

// merchantFor returns the partner's merchant that has a provider for the method: its
// Default first, then as they were configured; nil when none has.
func (s *Service) merchantFor(partnerID string, method Method) *Merchant {
	if m := s.merchant(partnerID, ""); m != nil && m.provider(method) != nil {
		return m
	}
	for i := range s.c.Merchants {
		if m := &s.c.Merchants[i]; m.PartnerID == partnerID && m.provider(method) != nil {
			return m
		}
	}
	return nil
}

// below joins segments to an address, each escaped.
func below(address string, segments ...string) string {
	for _, s := range segments {
		address += "/" + url.PathEscape(s)
	}
	return address
}
