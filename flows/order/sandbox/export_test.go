package sandbox

import "iter"

// Pages yields the names of all pages there are.
func Pages(p *Provider) iter.Seq[string] {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.payments {
		names = append(names, name)
	}
	return func(yield func(string) bool) {
		for _, n := range names {
			if !yield(n) {
				return
			}
		}
	}
}
