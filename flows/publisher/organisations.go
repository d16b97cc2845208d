package publisher

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

// organisations returns what the reader has through organisations that have all
// the marks that are asked for.
func (s *StoreAccess) organisations(ctx context.Context, q Question) ([]claim, error) {
	var wanted [][]store.Mark // of each group the organisation needs one
	if q.Address.IsValid() {
		wanted = append(wanted, AddressMarks(q.Address))
	}
	if q.Domain != "" || q.ByDomain {
		var marks []store.Mark
		for _, d := range q.Reader.Domains {
			if q.Domain == "" || d == q.Domain {
				marks = append(marks, store.Mark{Kind: store.DomainMark, Value: d})
			}
		}
		wanted = append(wanted, marks)
	}
	if q.ByDirectory {
		var marks []store.Mark
		for _, t := range q.Reader.Tenants {
			marks = append(marks, store.Mark{Kind: store.TenantMark, Value: t})
		}
		wanted = append(wanted, marks)
	}
	slices.SortFunc(wanted, func(a, b []store.Mark) int { return cmp.Compare(len(a), len(b)) })
	if len(wanted[0]) == 0 {
		return nil, nil
	}
	all, err := collect(s.store.MarkedOrganisations(ctx, q.Reader.PartnerID, wanted[0]))
	if err != nil {
		return nil, fmt.Errorf("look up organisations: %w", err)
	}
	var claims []claim
	for _, o := range all {
		if !slices.ContainsFunc(wanted, func(group []store.Mark) bool {
			return !slices.ContainsFunc(group, func(m store.Mark) bool { return slices.Contains(o.Marks, m) })
		}) {
			claims = append(claims, claim{level: LevelShared, products: o.Products, start: o.StartsAt, end: o.EndsAt})
		}
	}
	return claims, nil
}

// AddressMarks returns the marks of all ranges that hold the address, the widest
// last. An IPv4 address in IPv6 form is the IPv4 address.
func AddressMarks(addr netip.Addr) []store.Mark {
	addr = addr.Unmap().WithZone("")
	var marks []store.Mark
	for bits := addr.BitLen(); bits > 0; bits-- { // 0.0.0.0/0 is nobody's
		if p, err := addr.Prefix(bits); err == nil {
			marks = append(marks, store.Mark{Kind: store.AddressMark, Value: p.String()})
		}
	}
	return marks
}
