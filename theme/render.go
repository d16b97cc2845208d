package theme

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/connectid-kit/connectid/internal/texts"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Render writes the page as HTML. It writes all of it, by one call, or nothing.
//
// A page that was rendered before with the same client record, flow, state,
// language, flags, faults and notice is taken from memory: the reader's own
// values are put into its holes, escaped as html/template escapes them. Whether a
// page has only holes for which this gives exactly the bytes that html/template
// would have written is proven when it is first rendered; if not, html/template
// renders it each time.
func (t *Themes) Render(ctx context.Context, w io.Writer, p Page) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("render %s: %w", p.State, err)
	}
	p.Lang = texts.Match(p.Lang)
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	l := t.look(p.Client.ID)
	s, err := t.skeleton(&p, l)
	switch {
	case err != nil:
		return fmt.Errorf("render %s: %w", p.State, err)
	case s != nil:
		s.write(b, p.fill)
	default:
		if err := t.execute(b, &p, l, p.whole); err != nil {
			return fmt.Errorf("render %s: %w", p.State, err)
		}
	}
	_, err = w.Write(b.Bytes())
	return err
}

// whole is fill for html/template.
func (p *Page) whole(h hole) any { return p.fill(h) }

// execute renders the whole page with html/template.
func (t *Themes) execute(w io.Writer, p *Page, l *look, hole func(hole) any) error {
	return l.templates[p.State].ExecuteTemplate(w, "page", t.view(p, l, hole))
}
