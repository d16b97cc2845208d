package theme_test

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// cssTok is a token of [tokenize]: I identifier, F function, @ at-keyword,
// # hash, S string, U url, N number, B bad string or url, or the character
// itself. Comments and whitespace are left out.
type cssTok struct {
	kind rune
	text string // decoded; in lower case for I, F and @
}

// tokenize reads CSS by the algorithms of CSS Syntax 3, section 4.3, and shares
// no code with what it checks.
func tokenize(src string) []cssTok {
	z := cssReader{src: []rune(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n", "\x00", "\ufffd").Replace(src))}
	var toks []cssTok
	for z.pos < len(z.src) {
		if t := z.next(); t.kind != ' ' {
			toks = append(toks, t)
		}
	}
	return toks
}

type cssReader struct {
	src []rune
	pos int
}

func (z *cssReader) at(n int) rune {
	if z.pos+n < len(z.src) {
		return z.src[z.pos+n]
	}
	return -1
}

func (z *cssReader) next() cssTok {
	c := z.at(0)
	switch {
	case c == '/' && z.at(1) == '*':
		z.pos += 2
		for z.at(0) != -1 && (z.at(0) != '*' || z.at(1) != '/') {
			z.pos++
		}
		if z.at(0) == -1 {
			return cssTok{'B', "comment"}
		}
		z.pos += 2
		return cssTok{' ', ""}
	case isSpace(c):
		z.pos++
		return cssTok{' ', ""}
	case c == '"' || c == '\'':
		return z.str()
	case c == '#' && (isName(z.at(1)) || z.escape(1)):
		z.pos++
		return cssTok{'#', z.name()}
	case c == '@' && z.identAt(1):
		z.pos++
		return cssTok{'@', strings.ToLower(z.name())}
	case z.numberAt():
		return z.number()
	case z.identAt(0):
		return z.identLike()
	}
	z.pos++
	return cssTok{c, string(c)}
}

func isSpace(c rune) bool     { return c == ' ' || c == '\t' || c == '\n' }
func isDigit(c rune) bool     { return c >= '0' && c <= '9' }
func isNameStart(c rune) bool { return c == '_' || c|32 >= 'a' && c|32 <= 'z' || c >= 0x80 }
func isName(c rune) bool      { return isNameStart(c) || isDigit(c) || c == '-' }
func isHexDigit(c rune) bool  { return isDigit(c) || c|32 >= 'a' && c|32 <= 'f' }

func (z *cssReader) escape(n int) bool { return z.at(n) == '\\' && z.at(n+1) != '\n' }

func (z *cssReader) identAt(n int) bool {
	if z.at(n) == '-' {
		return isNameStart(z.at(n+1)) || z.at(n+1) == '-' || z.escape(n+1)
	}
	return isNameStart(z.at(n)) || z.escape(n)
}

func (z *cssReader) numberAt() bool {
	n := 0
	if z.at(0) == '+' || z.at(0) == '-' {
		n++
	}
	return isDigit(z.at(n)) || z.at(n) == '.' && isDigit(z.at(n+1))
}

func (z *cssReader) unescape() rune {
	z.pos++ // the backslash
	if !isHexDigit(z.at(0)) {
		c := z.at(0)
		z.pos++
		if c == -1 {
			c = utf8.RuneError
		}
		return c
	}
	var r rune
	for n := 0; n < 6 && isHexDigit(z.at(0)); n++ {
		c := z.at(0)
		if !isDigit(c) {
			c = c&7 + 9
		}
		r = r<<4 | c&15
		z.pos++
	}
	if isSpace(z.at(0)) {
		z.pos++
	}
	if r == 0 || !utf8.ValidRune(r) {
		return utf8.RuneError
	}
	return r
}

func (z *cssReader) name() string {
	var b strings.Builder
	for {
		switch {
		case isName(z.at(0)):
			b.WriteRune(z.at(0))
			z.pos++
		case z.escape(0):
			b.WriteRune(z.unescape())
		default:
			return b.String()
		}
	}
}

func (z *cssReader) number() cssTok {
	start := z.pos
	z.pos++ // a sign, a digit or a point
	for isDigit(z.at(0)) {
		z.pos++
	}
	if z.at(0) == '.' && isDigit(z.at(1)) {
		for z.pos++; isDigit(z.at(0)); {
			z.pos++
		}
	}
	if z.at(0)|32 == 'e' && (isDigit(z.at(1)) || (z.at(1) == '+' || z.at(1) == '-') && isDigit(z.at(2))) {
		for z.pos += 2; isDigit(z.at(0)); {
			z.pos++
		}
	}
	if z.at(0) == '%' {
		z.pos++
	} else if z.identAt(0) {
		z.name()
	}
	return cssTok{'N', string(z.src[start:z.pos])}
}

func (z *cssReader) str() cssTok {
	quote := z.at(0)
	z.pos++
	var b strings.Builder
	for {
		switch c := z.at(0); {
		case c == quote:
			z.pos++
			return cssTok{'S', b.String()}
		case c == -1, c == '\n':
			return cssTok{'B', "string"}
		case c == '\\' && z.at(1) == '\n':
			z.pos += 2
		case c == '\\':
			b.WriteRune(z.unescape())
		default:
			b.WriteRune(c)
			z.pos++
		}
	}
}

func (z *cssReader) identLike() cssTok {
	name := strings.ToLower(z.name())
	if z.at(0) != '(' {
		return cssTok{'I', name}
	}
	z.pos++
	if name != "url" {
		return cssTok{'F', name}
	}
	for isSpace(z.at(0)) {
		z.pos++
	}
	if z.at(0) == '"' || z.at(0) == '\'' {
		s := z.str()
		for isSpace(z.at(0)) {
			z.pos++
		}
		if s.kind != 'S' || z.at(0) != ')' {
			return cssTok{'B', "url"}
		}
		z.pos++
		return cssTok{'U', s.text}
	}
	var b strings.Builder
	for {
		switch c := z.at(0); {
		case c == ')':
			z.pos++
			return cssTok{'U', strings.TrimSpace(b.String())}
		case c == -1, c == '"', c == '\'', c == '(':
			return cssTok{'B', "url"}
		case c == '\\':
			b.WriteRune(z.unescape())
		default:
			b.WriteRune(c)
			z.pos++
		}
	}
}

// TestTokenize finds that the tokenizer of these tests sees what it has to see.
func TestTokenize(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		`\75rl(x)`:                  "U:x",
		`U\52 L( "a\62" )`:          "U:ab",
		`@\69mport 'a'`:             "@:import S:a",
		`a/*url(*/b`:                "I:a I:b",
		`e\78pression(1px+.5e3%)`:   "F:expression N:1px N:+.5e3% ):)",
		"\"a\nb":                    "B:string I:b",
		`image-set("x")`:            "F:image-set S:x ):)",
		`#-1 -1 --a -b 1\65 3`:      `#:-1 N:-1 I:--a I:-b N:1\65 3`,
		`{[;]} <!-- < / url(a"b)`:   "{:{ [:[ ;:; ]:] }:} <:< !:! I:-- <:< /:/ B:url B:string",
		"url(a\\29 b) url(unclosed": "U:a)b B:url",
	} {
		var got []string
		for _, tok := range tokenize(src) {
			got = append(got, string(tok.kind)+":"+tok.text)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("tokenize(%q)\n got %s\nwant %s", src, g, want)
		}
	}
}
