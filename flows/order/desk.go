package order

import "slices"

// desk returns the publisher's system that takes the partner's orders.
func (s *Service) desk(partnerID string) Desk {
	if d, ok := s.c.Desks[partnerID]; ok {
		return d
	}
	return NewStoreDesk(s.c.Store)
}

// recipients returns who receives something of the order, the payer first, and who
// of them gets each line.
func (c Content) recipients() (all []Person, ofLine []int) {
	all = []Person{c.Payer}
	for _, l := range c.Lines {
		r, _ := c.receiver(l)
		i := slices.IndexFunc(all, r.same)
		if i < 0 {
			i = len(all)
			all = append(all, r)
		}
		ofLine = append(ofLine, i)
	}
	return all, ofLine
}
