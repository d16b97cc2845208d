package theme

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
)

// Limits of a style sheet.
const (
	maxCSS      = 256 << 10
	maxCSSDepth = 12
)

// SafeCSS checks the style sheet of a client and returns it written anew, ready
// to be served as a text/css file. A sheet with a fault is refused as a whole:
// the error is then a [FileFaults] with the line and column of every fault, and
// nothing else is returned.
//
// What a sheet may hold is listed, not what it may not: the rules @media,
// @supports, @container, @layer, @scope, @starting-style, @font-face,
// @keyframes, @property and @counter-style; style rules, nested ones too; all
// properties but those that ran script in old browsers; the functions of CSS
// that neither take an address nor read the page. A sheet can not load or send
// anything: each url(), and each string in image-set(), is handed to resolve,
// and what that returns stands in its place. When resolve returns false, the
// address is a fault. data: addresses go to resolve like all others; a client's
// folder has no file of such a name, and the pages' policy refuses them too.
//
// Attribute selectors on value may compare whole ([value="x"], as the buttons of
// the pages need) but not parts ([value^=x]): the parts of a form's secret are
// no business of a style sheet, even of one that could not send them.
//
// The result holds no comments but empty ones where two tokens must stay apart,
// and no escape that is not needed. SafeCSS of its result, with a resolve that
// leaves its own addresses as they are, returns it unchanged.
//
// The standard login.css stands wholly in @layer connectid. Rules outside of
// any layer win over it whatever their specificity (CSS Cascade 5, section
// 6.4.2), so a client's sheet needs no !important.
func SafeCSS(src []byte, resolve func(ref string) (url string, ok bool)) ([]byte, error) {
	c, err := newCSSCleaner(src, resolve)
	if err != nil {
		return nil, err
	}
	c.items(rulesBlock, 0, false)
	return c.result()
}

// safeDeclarations does the same for a list of declarations, as in a style
// attribute.
func safeDeclarations(src string, resolve func(ref string) (string, bool)) (string, error) {
	c, err := newCSSCleaner([]byte(src), resolve)
	if err != nil {
		return "", err
	}
	c.items(descriptors, 0, false)
	out, err := c.result()
	return string(out), err
}

type cssToken struct {
	css.TokenType
	data []byte
	at   int // byte offset in the source
}

// cssCleaner walks the tokens of one sheet by the grammar of CSS Syntax 3,
// section 5.4, and writes down what it has checked.
type cssCleaner struct {
	faultList
	resolve func(string) (string, bool)
	// picture, if not nil, names a custom property that holds the url() of what is
	// referred to, for where a property's value is an image.
	picture func(ref string) (property string, ok bool)
	toks    []cssToken // ends with an ErrorToken
	i       int
	out     strings.Builder
	last    css.TokenType // the token written last
}

func newCSSCleaner(src []byte, resolve func(string) (string, bool)) (*cssCleaner, error) {
	if len(src) > maxCSS {
		return nil, FileFaults{{Text: "too large: a style sheet may have 256 KB"}}
	}
	// CSS Syntax 3, section 3.3: one kind of line end.
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	src = bytes.Map(func(r rune) rune {
		if r == '\r' || r == '\f' {
			return '\n'
		}
		return r
	}, bytes.ToValidUTF8(src, []byte("\x00")))
	c := &cssCleaner{faultList: faultList{src: src}, resolve: resolve}
	for i, b := range src {
		if b == 0 {
			c.add(i, "a NUL, or a byte that is not UTF-8")
		}
	}
	if len(c.list) > 0 {
		return nil, c.faults()
	}
	lexer := css.NewLexer(parse.NewInputBytes(bytes.Clone(src)))
	at := 0
	for {
		tt, data := lexer.Next()
		c.toks = append(c.toks, cssToken{tt, data, at})
		at += len(data)
		if tt == css.ErrorToken {
			break
		}
	}
	if at != len(src) {
		return nil, FileFaults{{Text: "can not be read to its end"}}
	}
	return c, nil
}

func (c *cssCleaner) result() ([]byte, error) {
	if err := c.faults().orNil(); err != nil {
		return nil, err
	}
	out := []byte(c.out.String())
	if !utf8.Valid(out) {
		return nil, errors.New("theme: style sheet became invalid UTF-8")
	}
	return out, nil
}

func (c *cssCleaner) tok() cssToken { return c.toks[c.i] }

// skip returns the index of the first token from i on that is neither
// whitespace nor a comment.
func (c *cssCleaner) skip(i int) int {
	for i < len(c.toks)-1 && (c.toks[i].TokenType == css.WhitespaceToken || c.toks[i].TokenType == css.CommentToken) {
		i++
	}
	return min(i, len(c.toks)-1)
}

func (c *cssCleaner) write(tt css.TokenType, s string) {
	c.out.WriteString(s)
	c.last = tt
}

// blank writes whitespace or a comment and reports whether it did.
func (c *cssCleaner) blank() bool {
	t := c.tok()
	switch t.TokenType {
	case css.WhitespaceToken:
		switch {
		case c.last == css.WhitespaceToken:
		case bytes.IndexByte(t.data, '\n') >= 0:
			c.write(css.WhitespaceToken, "\n")
		default:
			c.write(css.WhitespaceToken, " ")
		}
	case css.CommentToken:
		if len(t.data) < 4 || !bytes.HasSuffix(t.data, []byte("*/")) {
			c.add(t.at, "this comment does not end")
		}
		// A comment keeps the tokens beside it apart. At the start, after
		// whitespace and after another comment nothing needs keeping.
		if c.last != css.ErrorToken && c.last != css.WhitespaceToken && c.last != css.CommentToken {
			c.write(css.CommentToken, "/**/")
		}
	default:
		return false
	}
	c.i++
	return true
}

// items reads what stands in a block of the given kind, up to its closing brace
// (nested) or the end of the source.
func (c *cssCleaner) items(kind blockKind, depth int, nested bool) {
	for {
		t := c.tok()
		switch {
		case c.blank():
		case t.TokenType == css.ErrorToken:
			return
		case t.TokenType == css.RightBraceToken && nested:
			return
		case t.TokenType == css.RightBraceToken:
			c.add(t.at, "a } that closes nothing")
			c.i++
		case t.TokenType == css.SemicolonToken:
			if kind == rulesBlock || kind == keyframes {
				c.add(t.at, "a ; between rules: browsers would drop the next rule")
			}
			c.write(css.SemicolonToken, ";")
			c.i++
		case t.TokenType == css.CDOToken || t.TokenType == css.CDCToken:
			c.add(t.at, "%s does not belong into a style sheet", t.data)
			c.i++
		case t.TokenType == css.AtKeywordToken:
			c.atRule(kind, depth)
		case kind != rulesBlock && kind != keyframes && c.startsDeclaration():
			c.declaration(kind)
		default:
			c.styleRule(kind, depth)
		}
	}
}

func (c *cssCleaner) startsDeclaration() bool {
	t := c.tok().TokenType
	return (t == css.IdentToken || t == css.CustomPropertyNameToken) && c.toks[c.skip(c.i+1)].TokenType == css.ColonToken
}

// block reads a { } that starts here.
func (c *cssCleaner) block(kind blockKind, depth int) {
	open := c.tok()
	c.write(css.LeftBraceToken, "{")
	c.i++
	if depth > maxCSSDepth {
		c.add(open.at, "rules are nested too deeply: %d levels are allowed", maxCSSDepth)
		c.skipBlock()
		return
	}
	c.items(kind, depth, true)
	if c.tok().TokenType != css.RightBraceToken {
		c.add(open.at, "this { is not closed")
		return
	}
	c.write(css.RightBraceToken, "}")
	c.i++
}

// skipBlock moves behind the brace that closes the block it is in.
func (c *cssCleaner) skipBlock() {
	for level := 1; level > 0 && c.tok().TokenType != css.ErrorToken; c.i++ {
		switch c.tok().TokenType {
		case css.LeftBraceToken:
			level++
		case css.RightBraceToken:
			level--
		}
	}
}

func (c *cssCleaner) atRule(kind blockKind, depth int) {
	t := c.tok()
	name := strings.ToLower(cssDecode(t.data[1:]))
	inner, known := cssAtRules[name]
	switch {
	case !known && cssAtReasons[name] != "":
		c.add(t.at, "@%s is not allowed: %s", name, cssAtReasons[name])
	case !known:
		c.add(t.at, "@%s is not allowed", name)
	case kind == descriptors, kind == fontFace, kind == keyframes, kind == styleBlock && inner != rulesBlock && inner != rulesOrNothing:
		c.add(t.at, "@%s is not allowed here", name)
	}
	c.write(css.AtKeywordToken, "@"+cssIdent(name))
	c.i++
	found := len(c.list)
	c.components(inPrelude, noBlock)
	if !known {
		c.list = c.list[:found] // one fault says enough about such a rule
	}
	if c.tok().TokenType != css.LeftBraceToken {
		if known && inner != rulesOrNothing {
			c.add(t.at, "@%s has no block", name)
		}
		if c.tok().TokenType == css.SemicolonToken {
			c.write(css.SemicolonToken, ";")
			c.i++
		} else if inner == rulesOrNothing {
			c.add(t.at, "this @%s does not end with a ;", name)
		}
		return
	}
	if !known {
		c.i++
		c.skipBlock()
		return
	}
	if inner == rulesOrNothing {
		inner = rulesBlock
	}
	if inner == rulesBlock && kind == styleBlock {
		inner = styleBlock
	}
	c.block(inner, depth+1)
}

func (c *cssCleaner) styleRule(kind blockKind, depth int) {
	start := c.tok()
	switch {
	case start.TokenType == css.LeftBraceToken:
		c.add(start.at, "a { without a selector")
	case kind == descriptors || kind == fontFace:
		c.add(start.at, "expected a declaration, name: value")
	case kind == styleBlock && start.TokenType == css.IdentToken:
		// Browsers of 2023 read such a rule as a declaration.
		c.add(start.at, "expected a declaration, name: value; start a nested rule with &")
	}
	c.components(inSelector, kind)
	if c.tok().TokenType == css.LeftBraceToken {
		inner := styleBlock
		if kind == keyframes {
			inner = descriptors
		}
		c.block(inner, depth+1)
		return
	}
	if kind == rulesBlock || kind == keyframes {
		c.add(start.at, "this rule has no { } block")
	} else if kind == styleBlock && start.TokenType != css.IdentToken {
		c.add(start.at, "expected a declaration, name: value")
	}
	if c.tok().TokenType == css.SemicolonToken {
		c.write(css.SemicolonToken, ";")
		c.i++
	}
}

func (c *cssCleaner) declaration(kind blockKind) {
	t := c.tok()
	name := cssDecode(t.data)
	if t.TokenType == css.IdentToken {
		name = strings.ToLower(name)
		if strings.Trim(name, "-_abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			c.add(t.at, "%q is no property", name)
		}
		if cssRefused[name] {
			c.add(t.at, "the property %s is not allowed: it ran script in some browsers", name)
		}
	}
	c.write(t.TokenType, cssIdent(name))
	c.i++
	for c.blank() {
	}
	c.write(css.ColonToken, ":")
	c.i++
	mode := inValue
	if kind == fontFace && name == "unicode-range" {
		mode = inUnicodeRange
	}
	c.components(mode, kind)
	if c.tok().TokenType == css.LeftBraceToken {
		c.add(c.tok().at, "a { in a value: is a ; or } missing before it?")
		c.i++
		c.skipBlock()
	}
	if c.tok().TokenType == css.SemicolonToken {
		c.write(css.SemicolonToken, ";")
		c.i++
	}
}
