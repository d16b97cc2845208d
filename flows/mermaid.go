package flows

import (
	"fmt"
	"strings"
)

// Mermaid returns the flow as a Mermaid state diagram. Sequences are drawn as
// composite states, and each state says in brackets what it is.
func (f *Flow) Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	f.draw(&b, f.top, 1)
	fmt.Fprintf(&b, "    [*] --> %s: %s\n", f.first(), StartApplication)
	for _, name := range f.order {
		s := f.nodes[name].state
		for _, e := range s.fires {
			next, err := f.Next(name, e)
			if err != nil {
				continue // New has checked the flow
			}
			fmt.Fprintf(&b, "    %s --> %s: %s\n", name, next, e)
		}
		switch s.kind {
		case returning, failing:
			fmt.Fprintf(&b, "    %s --> [*]\n", name)
		}
	}
	return b.String()
}

func (f *Flow) draw(b *strings.Builder, q *Sequence, depth int) {
	indent := strings.Repeat("    ", depth)
	for _, st := range q.steps {
		if st.seq != nil {
			fmt.Fprintf(b, "%sstate %s {\n", indent, st.name)
			f.draw(b, st.seq, depth+1)
			fmt.Fprintf(b, "%s}\n", indent)
			continue
		}
		label := map[kind]string{
			computing: "%s (computing)", visible: "%s (page)", hopping: "%s (at an outside party)", returning: "%s (to returnUrl)", failing: "%s (to errorUrl)",
		}[st.state.kind]
		fmt.Fprintf(b, "%sstate \"%s\" as %s\n", indent, fmt.Sprintf(label, st.name), st.name)
	}
}
