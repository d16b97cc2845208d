package message_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/net/html"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

func newComposer(t testing.TB) *message.Composer {
	t.Helper()
	c, err := message.NewComposer(message.ComposerConfig{
		BaseURL: "https://login.example.com/user/",
		LogoURL: func(id string) string {
			if id == "with.logo" {
				return "https://login.example.com/user/theme/with.logo/1/logo.png"
			}
			return ""
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var paper = store.Client{ID: "no.mediaconnect.test", Name: "Fjordavisen", Language: "nb", CustomerCarePhone: "22 00 00 00", CustomerCareEmail: "kunde@fjordavisen.example"}

// letterOf returns a letter of each kind, as it is really sent.
func letterOf(kind message.Kind, channel message.Channel, lang string) message.Letter {
	l := message.Letter{Kind: kind, Channel: channel, To: "ola@example.com", Lang: lang, Client: paper, Valid: 10 * time.Minute}
	if channel == message.SMS {
		l.To = "+4740612345"
	}
	switch kind {
	case message.Blocked, message.AccountDeleted:
	case message.CredentialRemoved:
		l.About, l.Link = "k•••@example.com", "https://login.example.com/user/account?clientId=no.mediaconnect.test"
	case message.CustomerService:
		l.Reader = message.Reader{
			Name: "Kari Nordmann", Credential: "kari@example.com", UserID: "0123456789abcdef0123456789abcdef",
			Number: "100 017", LastName: "Nordmann", PostalCode: "0150",
		}
	case message.OrderLink:
		l.About, l.Valid, l.Link = "Fjordavisen Digital", 7*24*time.Hour, "https://login.example.com/user/orderLink?clientId=no.mediaconnect.test&token=SECRET"
	case message.PasswordChanged:
		l.Link = "https://login.example.com/user/resetPassword?clientId=no.mediaconnect.test"
	default:
		l.Code = "123456"
	}
	return l
}

var kinds = []message.Kind{message.LoginCode, message.RegisterCode, message.ResetCode, message.ConfirmCode, message.Blocked,
	message.PasswordChanged, message.CredentialRemoved, message.AccountDeleted, message.CustomerService, message.OrderLink}

// TestMessages keeps every message in every language as a golden file.
func TestMessages(t *testing.T) {
	t.Parallel()
	c := newComposer(t)
	for _, lang := range texts.Langs() {
		var all strings.Builder
		for _, channel := range []message.Channel{message.Email, message.SMS} {
			for _, kind := range kinds {
				if kind == message.CustomerService && channel == message.SMS {
					continue // a mail to the publisher
				}
				l := letterOf(kind, channel, lang)
				m, err := c.Compose(l)
				if err != nil {
					t.Fatalf("%s %s %s: %v", lang, channel, kind, err)
				}
				if m.Lang != lang || m.Kind != kind || m.To != l.To || m.ClientID != paper.ID || m.ID == "" || m.Code != l.Code || m.Link != l.Link {
					t.Errorf("%s %s %s: %+v", lang, channel, kind, m)
				}
				all.WriteString("=== " + string(channel) + " " + string(kind) + ": " + m.Subject + "\n" + m.Text + "\n")
				for _, want := range []string{l.Code, l.Link, "Fjordavisen"} {
					if !strings.Contains(m.Text, want) || channel == message.Email && !strings.Contains(html.UnescapeString(m.HTML), want) {
						t.Errorf("%s %s %s: %q is missing", lang, channel, kind, want)
					}
				}
				if strings.Contains(m.Text+m.Subject+m.HTML, "%!") || strings.Contains(m.Text+m.Subject, "mail.") || strings.Contains(m.Text, "sms.") {
					t.Errorf("%s %s %s: a text is missing or misused:\n%s", lang, channel, kind, m.Text)
				}
				if channel == message.Email {
					if strings.Contains(m.Subject, "123456") {
						t.Error("the code stands in the subject, which servers log and locked screens show")
					}
					if !strings.Contains(m.HTML, `<html lang="`+lang+`">`) {
						t.Errorf("%s: language of the mail", lang)
					}
					continue
				}
				if n := smsUnits(m.Text); n > 320 || l.Code != "" && n > 160 {
					t.Errorf("%s %s: %d units:\n%s", lang, kind, n, m.Text)
				}
				if l.Code != "" && !strings.HasSuffix(m.Text, "\n@login.example.com #123456") {
					t.Errorf("%s %s: the code is not bound to the host:\n%s", lang, kind, m.Text)
				}
			}
		}
		golden(t, "messages."+lang+".txt", all.String())
	}
}

// gsm are the letters beyond ASCII of our languages that an SMS of 7 bits has.
const gsm = "åÅäÄöÖøØæÆéÉèùìòÇ"

// smsUnits counts characters as a network does: an SMS of 7 bits has 160, and
// one letter that is not among those makes it one of 70.
func smsUnits(s string) int {
	for _, r := range s {
		if r > '~' && !strings.ContainsRune(gsm, r) {
			return len(utf16.Encode([]rune(s))) * 160 / 70
		}
	}
	return len([]rune(s))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and read the difference. Got:\n%s", path, got)
	}
}

func TestHTML(t *testing.T) {
	t.Parallel()
	c := newComposer(t)
	l := letterOf(message.PasswordChanged, message.Email, "en")
	l.Client.ID = "with.logo"
	l.Client.Name = `<img src=x onerror=alert(1)>"'&`
	l.Client.CustomerCareEmail = "javascript:alert(1)"
	m, err := c.Compose(l)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(m.HTML))
	if err != nil {
		t.Fatal(err)
	}
	var images, links int
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
			if a.Key == "src" && a.Val == "https://login.example.com/user/theme/with.logo/1/logo.png" {
				images++
			}
			if a.Key == "href" && a.Val == l.Link {
				links++
			}
		}
		if n.Data == "script" || n.Data == "img" && images != 1 {
			t.Errorf("<%s %v>", n.Data, n.Attr)
		}
	}
	if images != 1 || links != 1 {
		t.Errorf("%d images, %d links in\n%s", images, links, m.HTML)
	}
}

func TestComposeLanguage(t *testing.T) {
	t.Parallel()
	c := newComposer(t)
	for _, x := range []struct{ lang, client, want string }{
		{"fi", "nb", "fi"}, {"", "sv", "sv"}, {"xx", "da", "da"}, {"no", "da", "nb"}, {"", "", "nb"}, {"en-GB", "nb", "en"},
	} {
		l := letterOf(message.LoginCode, message.Email, x.lang)
		l.Client.Language = x.client
		if m, err := c.Compose(l); err != nil || m.Lang != x.want {
			t.Errorf("lang %q, client %q: %q, %v; want %q", x.lang, x.client, m.Lang, err, x.want)
		}
	}
}

func TestComposeRefuses(t *testing.T) {
	t.Parallel()
	c := newComposer(t)
	for name, edit := range map[string]func(*message.Letter){
		"recipient with header": func(l *message.Letter) { l.To = "ola@example.com\r\nBcc: eve@example.com" },
		"no recipient":          func(l *message.Letter) { l.To = "" },
		"no code":               func(l *message.Letter) { l.Code = "" },
		"code with text":        func(l *message.Letter) { l.Code = "12345\n" },
		"no kind":               func(l *message.Letter) { l.Kind = "" },
		"no channel":            func(l *message.Letter) { l.Channel = "" },
		"code where none is":    func(l *message.Letter) { l.Kind = message.Blocked },
		"script as link":        func(l *message.Letter) { l.Link = "javascript:alert(1)" },
		"relative link":         func(l *message.Letter) { l.Link = "/user/resetPassword" },
	} {
		l := letterOf(message.LoginCode, message.Email, "en")
		edit(&l)
		if m, err := c.Compose(l); err == nil {
			t.Errorf("%s: %+v", name, m)
		}
	}
	for _, base := range []string{"", "login.example.com", "/user/", "ftp://a.no/", "https://", "https://blåbær.no/", ":"} {
		if _, err := message.NewComposer(message.ComposerConfig{BaseURL: base}); err == nil {
			t.Errorf("BaseURL %q is taken", base)
		}
	}
}

// FuzzCompose holds that a client's record can neither add a header nor a
// second code line, whatever stands in it.
func FuzzCompose(f *testing.F) {
	c := newComposer(f)
	f.Add("Avisen", "22 00 00 00", "nb")
	f.Add("A\r\nBcc: eve@example.com", "\n@evil.example #999999", "no")
	f.Add("\u2028\u202e\xff%s%[9]d", "<script>", "\x00")
	f.Add(strings.Repeat("navn ", 100), strings.Repeat("9", 1000), "en")
	f.Fuzz(func(t *testing.T, name, care, lang string) {
		for _, channel := range []message.Channel{message.Email, message.SMS} {
			for _, kind := range kinds {
				l := letterOf(kind, channel, lang)
				if kind == message.CustomerService {
					if channel == message.SMS {
						continue
					}
					l.Reader.Name, l.Reader.Number, l.Reader.LastName = name, care, care
				}
				l.Client.Name, l.Client.CustomerCarePhone, l.Client.CustomerCareEmail = name, care, care
				m, err := c.Compose(l)
				if err != nil {
					if !errors.Is(err, message.ErrUnsafe) || name != "" {
						t.Fatalf("%q: %v", name, err)
					}
					continue
				}
				if strings.ContainsAny(m.Subject+m.To, "\r\n\x00") {
					t.Fatalf("subject %q", m.Subject)
				}
				if strings.Contains(m.Text, "\r") || channel == message.SMS && strings.Count(m.Text, "\n") != 2*len(l.Code)/6 {
					t.Fatalf("text %q", m.Text)
				}
			}
		}
	})
}
