package order

import (
	"maps"
	"slices"
)

// Methods returns the ways to pay at the default merchant of the partner, sorted;
// none when it has no merchant that orders need not name.
func (s *Service) Methods(partnerID string) []Method {
	for _, m := range s.c.Merchants {
		if m.PartnerID != partnerID || !m.Default {
			continue
		}
		all := slices.Collect(maps.Keys(m.Providers))
		if slices.Contains(all, CreditCard) && !slices.Contains(all, CreditCardPayEx) {
			all = append(all, CreditCardPayEx) // the same by its other name
		}
		slices.Sort(all)
		return all
	}
	return nil
}
