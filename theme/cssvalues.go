package theme

import (
	"bytes"
	"strings"

	"github.com/tdewolff/parse/v2/css"
)

// cssMode says what a run of tokens is.
type cssMode int

const (
	inValue        cssMode = iota
	inUnicodeRange         // the value of that descriptor
	inSelector             // of a style rule or a keyframe
	inPrelude              // what follows an at-keyword
)

// cssFrame is an open bracket.
type cssFrame struct {
	closer css.TokenType
	name   string // of the function, or [ or (
	open   string // as it was written
	at     int
	attr   string // [: the attribute's name
}

// components reads tokens up to what ends them: a brace, a semicolon or the end
// of the source. Brackets must be closed before that.
func (c *cssCleaner) components(mode cssMode, kind blockKind) {
	var open []cssFrame
	defer func() {
		for _, f := range open {
			c.add(f.at, "this %s is not closed", f.open)
		}
	}()
	for {
		t := c.tok()
		switch t.TokenType {
		case css.ErrorToken, css.LeftBraceToken, css.RightBraceToken, css.SemicolonToken:
			return
		case css.WhitespaceToken, css.CommentToken:
			c.blank()
			continue
		case css.FunctionToken, css.LeftParenthesisToken, css.LeftBracketToken:
			open = append(open, c.opening(mode, kind, open))
			if len(open) > maxCSSDepth {
				c.add(t.at, "brackets are nested too deeply: %d levels are allowed", maxCSSDepth)
				open = open[:len(open)-1]
			}
		case css.RightParenthesisToken, css.RightBracketToken:
			if len(open) == 0 || open[len(open)-1].closer != t.TokenType {
				c.add(t.at, "a %s that closes nothing", t.data)
			} else {
				open = open[:len(open)-1]
			}
			c.write(t.TokenType, string(t.data))
		default:
			var in *cssFrame
			if len(open) > 0 {
				in = &open[len(open)-1]
			}
			c.component(t, mode, kind, in)
		}
		c.i++
	}
}

// opening writes a function's name or an opening bracket.
func (c *cssCleaner) opening(mode cssMode, kind blockKind, open []cssFrame) cssFrame {
	t := c.tok()
	switch t.TokenType {
	case css.LeftBracketToken:
		// In values, brackets hold the names of grid lines.
		c.write(t.TokenType, "[")
		return cssFrame{closer: css.RightBracketToken, name: "[", open: "[", at: t.at}
	case css.LeftParenthesisToken:
		if c.last == css.CustomPropertyNameToken || c.last == css.IdentToken && mode != inPrelude {
			c.add(t.at, "a ( is not allowed here")
		}
		c.write(t.TokenType, "(")
		return cssFrame{closer: css.RightParenthesisToken, name: "(", open: "(", at: t.at}
	}
	name := cssDecode(bytes.TrimSuffix(t.data, []byte("(")))
	lower := strings.ToLower(name)
	switch {
	case lower == "url":
		// Written with escapes: browsers read another token here.
		c.add(t.at, "url() may not be written with escapes")
	case mode == inSelector:
		if c.last != css.ColonToken {
			c.add(t.at, "%s() is no selector", name)
		}
	case mode == inPrelude:
		if !cssFunctions[lower] && !cssConditions[lower] && c.last != css.ColonToken {
			c.add(t.at, "%s() is not allowed here", name)
		}
	default:
		if !cssFunctions[lower] {
			c.add(t.at, "the function %s() is not allowed", name)
		}
		for _, f := range open {
			// What a variable holds is a plain string where it is set, and an
			// address where an image-set uses it.
			if cssImageSets[f.name] && (lower == "var" || lower == "env") {
				c.add(t.at, "%s() is not allowed in %s()", lower, f.name)
			}
		}
		if lower == "local" && kind != fontFace {
			c.add(t.at, "local() is for @font-face only")
		}
	}
	c.write(t.TokenType, cssIdent(lower)+"(")
	return cssFrame{closer: css.RightParenthesisToken, name: lower, open: lower + "(", at: t.at}
}

// component checks and writes one token that is neither blank nor a bracket.
func (c *cssCleaner) component(t cssToken, mode cssMode, kind blockKind, in *cssFrame) {
	text := string(t.data)
	switch t.TokenType {
	case css.IdentToken, css.CustomPropertyNameToken:
		name := cssDecode(t.data)
		if in != nil && in.name == "[" {
			in.attr = name // the last name before the operator: [a|value^="x"]
		}
		text = cssIdent(name)
		c.join(t)
	case css.HashToken:
		text = "#" + cssName(cssDecode(t.data[1:]))
	case css.StringToken:
		text = c.stringToken(t, mode, in)
	case css.URLToken:
		text = c.urlToken(t, mode, kind == styleBlock && (in == nil || !cssImageSets[in.name]))
	case css.NumberToken, css.PercentageToken:
	case css.DimensionToken:
		if bytes.IndexByte(t.data, '\\') >= 0 || !isASCII(t.data) {
			c.add(t.at, "%q is no unit", text)
		}
	case css.UnicodeRangeToken:
		if mode != inUnicodeRange {
			c.add(t.at, "%q: put spaces around the +", text)
		}
	case css.IncludeMatchToken, css.DashMatchToken, css.PrefixMatchToken, css.SuffixMatchToken, css.SubstringMatchToken:
		switch {
		case in == nil || in.name != "[" || mode == inValue:
			c.add(t.at, "%s is not allowed here", text)
		case strings.EqualFold(in.attr, "value"):
			c.add(t.at, "[value%s…] is not allowed: compare the whole value, with =", text)
		}
	case css.CommaToken:
	case css.ColonToken:
		if mode == inValue || mode == inUnicodeRange {
			c.add(t.at, "a : in a value: is a ; missing before it?")
		}
	case css.DelimToken:
		c.delim(t, mode, in)
	case css.BadStringToken:
		c.add(t.at, "this string is not closed on its line")
	case css.BadURLToken:
		c.add(t.at, "this url() can not be read; put its address in quotes")
	default:
		c.add(t.at, "%q is not allowed here", text)
	}
	c.write(t.TokenType, text)
}

// join refuses an identifier that a browser could read as one with what was
// written before it.
func (c *cssCleaner) join(t cssToken) {
	switch c.last {
	case css.NumberToken, css.UnicodeRangeToken, css.IdentToken, css.HashToken, css.DimensionToken, css.AtKeywordToken, css.CustomPropertyNameToken:
		c.add(t.at, "put a space before %q", t.data)
	}
}

// delims are the single characters that may stand in a run of tokens.
var delims = map[cssMode]string{
	inValue:        "+-*/!",
	inUnicodeRange: "",
	inSelector:     ".>+~*&|=",
	inPrelude:      ".>+~*&|=</-",
}

func (c *cssCleaner) delim(t cssToken, mode cssMode, in *cssFrame) {
	d := t.data[0]
	next := c.toks[c.i+1]
	switch {
	case strings.IndexByte(delims[mode], d) < 0:
		c.add(t.at, "%q is not allowed here", t.data)
	case d == '!':
		// Only !important, at the end of a value.
		i := c.skip(c.i + 1)
		end := c.toks[c.skip(i+1)].TokenType
		if in != nil || c.toks[i].TokenType != css.IdentToken || !strings.EqualFold(cssDecode(c.toks[i].data), "important") ||
			end != css.SemicolonToken && end != css.RightBraceToken && end != css.ErrorToken {
			c.add(t.at, "a ! that is not the one of !important")
		}
	case d == '<' && next.TokenType == css.DelimToken && next.data[0] != '=':
		c.add(t.at, "%q is not allowed here", "<"+string(next.data))
	case d == '/' && next.TokenType == css.DelimToken && next.data[0] == '*':
		c.add(t.at, "put a space between / and *")
	}
}

func (c *cssCleaner) stringToken(t cssToken, mode cssMode, in *cssFrame) string {
	if len(t.data) < 2 || t.data[len(t.data)-1] != t.data[0] || endsEscaped(t.data[1:len(t.data)-1]) {
		c.add(t.at, "this string is not closed")
		return `""`
	}
	s := cssDecode(t.data[1 : len(t.data)-1])
	if in != nil && cssImageSets[in.name] {
		return c.address(t, s)
	}
	if mode == inSelector && in == nil || mode == inPrelude && in == nil {
		c.add(t.at, "a string is not allowed here")
	}
	return cssString(s)
}

func (c *cssCleaner) urlToken(t cssToken, mode cssMode, variable bool) string {
	if mode != inValue {
		c.add(t.at, "url() is not allowed here")
		return ""
	}
	open := bytes.IndexByte(t.data, '(')
	if t.data[len(t.data)-1] != ')' || endsEscaped(t.data[:len(t.data)-1]) {
		c.add(t.at, "this url() is not closed")
		return ""
	}
	ref := bytes.Trim(t.data[open+1:len(t.data)-1], " \t\n")
	if n := len(ref); n > 0 && (ref[0] == '"' || ref[0] == '\'') {
		if n < 2 || ref[n-1] != ref[0] {
			c.add(t.at, "this url() can not be read")
			return ""
		}
		ref = ref[1 : n-1]
	} else if bytes.HasSuffix(ref, []byte(`\`)) {
		c.add(t.at, "put the address of this url() in quotes")
		return ""
	}
	address := cssDecode(ref)
	if variable && c.picture != nil {
		if property, ok := c.picture(address); ok {
			return "var(" + property + ")"
		}
	}
	return c.address(t, address)
}

const notOwn = "is not one of the client's own files"

// address writes the url() that stands for an address of the source.
func (c *cssCleaner) address(t cssToken, ref string) string {
	if c.resolve != nil {
		if u, ok := c.resolve(ref); ok {
			return "url(" + cssString(u) + ")"
		}
	}
	c.add(t.at, "%q "+notOwn, shorten(ref))
	return ""
}

// endsEscaped reports whether the byte after b would be part of an escape.
func endsEscaped(b []byte) bool {
	n := len(b) - len(bytes.TrimRight(b, `\`))
	return n%2 == 1
}

func isASCII(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 }) < 0
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
