package account_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func TestParseCredential(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for _, c := range []struct {
		raw, region, identity, spelling, masked string
	}{
		{" Ola.Nordmann+avis@Example.COM ", "", "ola.nordmann+avis@example.com", "Ola.Nordmann+avis@Example.COM", "o•••@example.com"},
		{"a@b.no", "", "a@b.no", "a@b.no", "a•••@b.no"},
		{"kari@blåbær.no", "", "kari@xn--blbr-roah.no", "kari@blåbær.no", "k•••@xn--blbr-roah.no"},
		{"kari@BLÅBÆR.no", "", "kari@xn--blbr-roah.no", "kari@BLÅBÆR.no", "k•••@xn--blbr-roah.no"},
		{"kari@xn--blbr-roah.no", "", "kari@xn--blbr-roah.no", "kari@xn--blbr-roah.no", "k•••@xn--blbr-roah.no"},
		{"x@例え.jp", "", "x@xn--r8jz45g.jp", "x@例え.jp", "x•••@xn--r8jz45g.jp"},
		{long + "@example.com", "", long + "@example.com", long + "@example.com", "a•••@example.com"},
		{"o'neil@example.com", "", "o'neil@example.com", "o'neil@example.com", "o•••@example.com"},
		{"406 12 345", "", "+4740612345", "406 12 345", "+47 ••• •• 345"},
		{"0047 40612345", "NO", "+4740612345", "0047 40612345", "+47 ••• •• 345"},
		{"+47 40 61 23 45", "SE", "+4740612345", "+47 40 61 23 45", "+47 ••• •• 345"},
		{"(+47) 406-12-345", "no", "+4740612345", "(+47) 406-12-345", "+47 ••• •• 345"},
		{"070-123 45 67", "SE", "+46701234567", "070-123 45 67", "+46 ••• •• 567"},
		{"040 1234567", "FI", "+358401234567", "040 1234567", "+358 ••• •• 567"},
		{"20 12 34 56", "DK", "+4520123456", "20 12 34 56", "+45 ••• •• 456"},
		{"22 12 34 56", "NO", "+4722123456", "22 12 34 56", "+47 ••• •• 456"}, // a fixed line is a credential, if not one for codes
	} {
		got, err := account.ParseCredential(c.raw, c.region)
		if err != nil || got.Identity != c.identity || got.Spelling != c.spelling {
			t.Errorf("ParseCredential(%q, %q) = %+v, %v; want %q spelled %q", c.raw, c.region, got, err, c.identity, c.spelling)
		}
		if m := got.Masked(); m != c.masked {
			t.Errorf("%q masked is %q, want %q", c.raw, m, c.masked)
		}
	}
}

func TestParseCredentialRefuses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", " ", "\t\r\n", "\u00a0",
	} {
		if _, err := account.ParseCredential(raw, "NO"); !errors.Is(err, account.ErrCredentialEmpty) {
			t.Errorf("ParseCredential(%q): %v, want ErrCredentialEmpty", raw, err)
		}
	}
	for _, raw := range []string{
		"@", "a@", "@b.no", "a@b", "a@b@c.no", "a b@c.no", "a@b c.no", "a@b..no", ".a@b.no", "a.@b.no", "a..b@c.no",
		"a@-b.no", "a@b-.no", "a@b_c.no", "a@127.0.0.1", "a@[127.0.0.1]", "a@[IPv6:::1]", "a@b.no.", "a@b.123",
		`"a"@b.no`, `a"b@c.no`, "a,b@c.no", "a;b@c.no", "<a@b.no>", "Ola <a@b.no>", "a(b)@c.no", "a:b@c.no", `a\b@c.no`,
		"a@b.no\r\nBcc: x@y.no", "a\r\n@b.no", "a\x00@b.no", "a@b.no\x00", "a\u200b@b.no", "a@b\u200b.no", "a\u202e@b.no", "a@b\u2028.no",
		"оla@example.com", // Cyrillic о
		"ølå@example.com", // outside ASCII
		"ola@exаmple.com", // Cyrillic а among Latin letters
		"ola@xn--exmple-4nf.com",
		"a＠b.no", "a@b.no, c@d.no", "a@b.no c@d.no", "a%0a@b.no%0d\n",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b", 64) + ".no", "a@" + strings.Repeat("bb.", 90) + "no",
		strings.Repeat("a", 60) + "@" + strings.Repeat("bb.", 65) + "no",
		"\xff@example.com", "a@\xff.no",
		"12", "1234567890123456789", "not a number", "0800 FLOWERS", "+47", "++4740612345", "40612345;ext=1", "40612345x12", "4061+2345",
		"+999 12345678", "406\n12345", "tel:+4740612345", "٤٠٦١٢٣٤٥", "-", "()", "+",
		strings.Repeat("1", 41), strings.Repeat(" ", 5000) + "a@b.no",
	} {
		if got, err := account.ParseCredential(raw, "NO"); !errors.Is(err, account.ErrCredentialInvalid) {
			t.Errorf("ParseCredential(%q) = %+v, %v; want ErrCredentialInvalid", raw, got, err)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, region string
		want        error
	}{
		{"ola@example.com", "NO", nil},
		{"40612345", "NO", nil},
		{"+1 202 555 0123", "NO", nil}, // the plan of +1 does not tell mobiles from fixed lines
		{"22123456", "NO", account.ErrCredentialPremium},
		{"820 12 345", "NO", account.ErrCredentialPremium}, // premium rate
		{"810 12 345", "NO", account.ErrCredentialPremium}, // shared cost
		{"800 12 345", "NO", account.ErrCredentialPremium}, // toll free
		{"08-123 456 78", "SE", account.ErrCredentialPremium},
		{"0900 123 4567", "SE", account.ErrCredentialPremium},
	} {
		got, err := account.ParseCredential(c.raw, c.region)
		if err != nil {
			if c.want == nil {
				t.Errorf("ParseCredential(%q): %v", c.raw, err)
			}
			continue // refused even earlier
		}
		if err := got.Reachable(); !errors.Is(err, c.want) {
			t.Errorf("%q reachable: %v, want %v", c.raw, err, c.want)
		}
	}
}

func FuzzParseCredential(f *testing.F) {
	for _, s := range []string{
		"ola@example.com", " Ola+x@BLÅBÆR.no", "40612345", "+46 70-123 45 67", "a@b.no\r\nBcc: x@y.no", "a@xn--", "0047 40 61 23 45",
		"ola@exаmple.com", "a@\u00df.de", "a@\u0130.no", "a@b。no", "8001234567", "+1 (202) 555-0123", "@@", "",
	} {
		f.Add(s, "NO")
		f.Add(s, "SE")
	}
	f.Fuzz(func(t *testing.T, raw, region string) {
		c, err := account.ParseCredential(raw, region)
		if err != nil {
			if !c.IsZero() || !errors.Is(err, account.ErrCredentialEmpty) && !errors.Is(err, account.ErrCredentialInvalid) {
				t.Fatalf("ParseCredential(%q, %q) = %+v, %v", raw, region, c, err)
			}
			return
		}
		for _, s := range []string{c.Identity, c.Spelling, c.Masked()} {
			if strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) || s == "" {
				t.Fatalf("%q gave %q", raw, s)
			}
		}
		for i := range len(c.Identity) {
			if c.Identity[i] <= ' ' || c.Identity[i] > '~' {
				t.Fatalf("identity %q is not plain", c.Identity)
			}
		}
		again, err := account.ParseCredential(c.Identity, region)
		if err != nil || again.Identity != c.Identity || again.Kind != c.Kind {
			t.Fatalf("%q is %q, which is %q, %v", raw, c.Identity, again.Identity, err)
		}
		spelled, err := account.ParseCredential(c.Spelling, region)
		if err != nil || spelled != c {
			t.Fatalf("%q is spelled %q, which is %+v, %v", raw, c.Spelling, spelled, err)
		}
		switch masked := c.Masked(); c.Kind {
		case store.Email:
			local, domain, _ := strings.Cut(c.Identity, "@")
			if masked != local[:1]+"•••@"+domain {
				t.Fatalf("%q masked is %q", c.Identity, masked)
			}
		case store.Phone:
			if hidden := strings.Count(c.Identity, "") - 1; strings.Contains(masked, c.Identity[4:hidden-3]) && hidden > 8 {
				t.Fatalf("%q masked is %q", c.Identity, masked)
			}
		}
		_ = c.Reachable()
	})
}
