package message

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// ComposerConfig configures a [Composer].
type ComposerConfig struct {
	// BaseURL is the public address of the login server, such as
	// https://login.example.com/user/. Its host is what codes in SMS are bound
	// to, so that a browser offers them on no other site. Required.
	BaseURL string
	// LogoURL returns the absolute URL of a client's logo for HTML mails, or ""
	// for none. Optional: without it mails show the client's name only.
	LogoURL func(clientID string) string
}

// Composer builds messages in the languages of the kit. It is safe for
// concurrent use.
type Composer struct {
	host    string
	logoURL func(string) string
}

// Letter is what a message says.
type Letter struct {
	Kind    Kind
	Channel Channel
	To      string
	Lang    string // nb, nn, sv, da, fi or en; anything else: the client's language
	Client  store.Client
	Code    string        // six digits; for the kinds that bring a code
	Valid   time.Duration // how long the code, or the link to an order, can be used
	Link    string        // where a password is changed, an account seen to, a merge undone or an order seen, an absolute URL; optional

	About   string   // the credential that was added or removed, shortened; or what was ordered
	Undo    texts.ID // says for how long a merge can be undone, by the number UndoIn; optional
	UndoIn  int
	Details []string // what customer care has to know
	Reader  Reader   // of CustomerService
}

// Reader is whom a mail to customer care is about. All of it but UserID is what
// she wrote herself.
type Reader struct {
	Name       string
	Credential string // by which she can be reached
	UserID     string
	Membership bool   // Number is a membership number, and not a customer number
	Number     string // that she says is hers; "" when she gave none
	LastName   string
	PostalCode string
}

// NewComposer returns a composer, or an error that names every fault of the
// configuration.
func NewComposer(c ComposerConfig) (*Composer, error) {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil, fmt.Errorf("message: bad BaseURL %q: want the absolute address of the login server", c.BaseURL)
	}
	if strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("message: bad BaseURL %q: want an ASCII host", c.BaseURL)
	}
	if c.LogoURL == nil {
		c.LogoURL = func(string) string { return "" }
	}
	return &Composer{host: u.Hostname(), logoURL: c.LogoURL}, nil
}

// Compose writes the message with a new ID. It fails with an error matching
// [ErrUnsafe] when To is not one recipient of the channel, and with another when
// the letter is no whole one of its kind.
func (c *Composer) Compose(l Letter) (Message, error) {
	lang := texts.Match(l.Lang, l.Client.Language)
	m := Message{
		ID: rand.Text(), Channel: l.Channel, Kind: l.Kind, To: l.To,
		Lang: lang, ClientID: l.Client.ID, Code: l.Code, Link: l.Link,
	}
	if err := l.check(); err != nil {
		return Message{}, err
	}
	if l.Channel == SMS {
		m.Text = c.sms(l, lang)
	} else {
		mail := c.mail(l, lang)
		m.Subject, m.Text = mail.Subject, mail.text()
		var b bytes.Buffer
		if err := mailTemplate.Execute(&b, mail); err != nil {
			return Message{}, fmt.Errorf("message: %w", err)
		}
		m.HTML = b.String()
	}
	if err := m.Check(); err != nil {
		return Message{}, err
	}
	return m, nil
}

func (l Letter) check() error {
	var errs []error
	switch l.Kind {
	case LoginCode, RegisterCode, ResetCode, MergeCode, ConfirmCode:
		if len(l.Code) != 6 || strings.Trim(l.Code, "0123456789") != "" {
			errs = append(errs, errors.New("message: want a code of six digits"))
		}
	case CustomerService:
		if l.Channel != Email || l.Reader.UserID == "" {
			errs = append(errs, errors.New("message: want a mail about a reader"))
		}
		fallthrough
	case OrderLink, Blocked, PasswordChanged, CredentialAdded, AccountsMerged, AccountsSeparated, CareMerge, CredentialRemoved, AccountDeleted:
		if l.Code != "" {
			errs = append(errs, fmt.Errorf("message: %s brings no code", l.Kind))
		}
	default:
		errs = append(errs, fmt.Errorf("message: unknown kind %q", l.Kind))
	}
	if l.Kind == OrderLink && l.Link == "" {
		errs = append(errs, errors.New("message: want a link"))
	}
	if u, err := url.Parse(l.Link); l.Link != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		errs = append(errs, fmt.Errorf("%w: Link is not an absolute address", ErrUnsafe))
	}
	return errors.Join(errs...)
}

// mail is what both forms of a mail show.
type mail struct {
	Lang    string
	Subject string
	Name    string // of the client
	Logo    string
	Intro   string
	Code    string
	Notes   []string
	Link    string
	Button  string
	Care    string
}

//go:embed mail.html
var mailHTML string

var mailTemplate = template.Must(template.New("mail").Parse(mailHTML))

func (c *Composer) mail(l Letter, lang string) mail {
	m := mail{Lang: lang, Name: clientName(l.Client), Logo: c.logo(l.Client.ID), Code: l.Code, Care: care(l.Client, lang)}
	switch l.Kind {
	case Blocked:
		m.Subject = texts.Get(lang, "mail.blocked.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.blocked.intro", m.Name)
		m.Notes = []string{texts.Get(lang, "mail.blocked.ignore")}
	case PasswordChanged:
		m.Subject = texts.Get(lang, "mail.changed.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.changed.intro", m.Name)
		m.Notes = []string{texts.Get(lang, "mail.changed.notYou")}
		if l.Link != "" {
			m.Link, m.Button = l.Link, texts.Get(lang, "mail.changed.button")
		}
	case CustomerService:
		m.Subject = texts.Get(lang, "mail.service.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.service.intro", m.Name)
		m.Notes, m.Care = l.Reader.lines(lang), ""
	case CredentialAdded, AccountsMerged, AccountsSeparated, CareMerge:
		c.mergeMail(&m, l, lang)
	case CredentialRemoved:
		m.Subject = texts.Get(lang, "mail.removed.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.removed.intro", oneLine(l.About, maxName), m.Name)
		m.Notes = []string{texts.Get(lang, "mail.removed.notYou")}
		if l.Link != "" {
			m.Link, m.Button = l.Link, texts.Get(lang, "mail.removed.button")
		}
	case OrderLink:
		m.Subject = texts.Get(lang, "mail.order.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.order.intro", m.Name)
		if product := oneLine(l.About, 80); product != "" {
			m.Notes = append(m.Notes, texts.Get(lang, "mail.order.product", product))
		}
		m.Notes = append(m.Notes, texts.Get(lang, "mail.order.valid", days(l.Valid)), texts.Get(lang, "mail.order.notYou"))
		m.Link, m.Button = l.Link, texts.Get(lang, "mail.order.button")
	case AccountDeleted:
		m.Subject = texts.Get(lang, "mail.deleted.subject", m.Name)
		m.Intro = texts.Get(lang, "mail.deleted.intro", m.Name)
		m.Notes = []string{texts.Get(lang, "mail.deleted.notYou")}
	default:
		m.Subject = texts.Get(lang, "mail.code.subject", m.Name)
		m.Intro = texts.Get(lang, introOf[l.Kind], m.Name)
		m.Notes = []string{
			texts.Get(lang, "verification.validity", minutes(l.Valid)),
			texts.Get(lang, "mail.code.secret"),
			texts.Get(lang, "mail.code.ignore"),
		}
		if l.Kind == MergeCode {
			m.Notes[1] = texts.Get(lang, "mail.merge.secret")
		}
	}
	return m
}

// lines are what customer care needs to know, one thing a line.
func (r Reader) lines(lang string) []string {
	number := texts.ID("mail.service.customerNumber")
	if r.Membership {
		number = "mail.service.membershipNumber"
	}
	var all []string
	for _, f := range []struct {
		id    texts.ID
		value string
	}{
		{"mail.service.name", r.Name}, {"mail.service.credential", r.Credential}, {number, r.Number},
		{"mail.service.lastName", r.LastName}, {"mail.service.postalCode", r.PostalCode}, {"mail.service.userId", r.UserID},
	} {
		if value := oneLine(f.value, 320); value != "" {
			all = append(all, texts.Get(lang, f.id, value))
		}
	}
	return all
}

var introOf = map[Kind]texts.ID{
	LoginCode:    "mail.code.intro.login",
	RegisterCode: "mail.code.intro.register",
	ResetCode:    "mail.code.intro.reset",
	MergeCode:    "mail.code.intro.merge",
	ConfirmCode:  "mail.code.intro.confirm",
}

// text returns the plain form.
func (m mail) text() string {
	parts := []string{m.Intro}
	if m.Code != "" {
		parts = append(parts, "    "+m.Code)
	}
	parts = append(parts, strings.Join(m.Notes, "\n"))
	if m.Link != "" {
		parts = append(parts, m.Button+":\n"+m.Link)
	}
	last := "-- \n" + m.Name
	if m.Care != "" {
		last += "\n" + m.Care
	}
	return strings.Join(append(parts, last), "\n\n") + "\n"
}

func (c *Composer) sms(l Letter, lang string) string {
	name := clientName(l.Client)
	switch l.Kind {
	case Blocked:
		return join(texts.Get(lang, "sms.blocked", name), care(l.Client, lang))
	case PasswordChanged:
		return join(texts.Get(lang, "sms.changed", name), texts.Get(lang, "mail.changed.notYou"), l.Link)
	case CredentialRemoved:
		return join(texts.Get(lang, "sms.removed", name), texts.Get(lang, "mail.removed.notYou"), l.Link)
	case OrderLink:
		return join(texts.Get(lang, "sms.order", name), l.Link)
	case AccountDeleted:
		return join(texts.Get(lang, "sms.deleted", name), care(l.Client, lang))
	case CredentialAdded, AccountsMerged, AccountsSeparated:
		return c.mergeSMS(l, lang)
	}
	text := texts.ID("sms.code")
	if l.Kind == MergeCode {
		text = "sms.merge.code"
	}
	// The last line lets a browser fill in the code on this host and no other
	// (WICG, "Origin-bound one-time codes delivered via SMS").
	return texts.Get(lang, text, minutes(l.Valid), l.Code, name) + "\n\n@" + c.host + " #" + l.Code
}

func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

func days(d time.Duration) int { return max(1, int(d/(24*time.Hour))) }

func minutes(d time.Duration) int { return max(1, int(d/time.Minute)) }

// logo returns the URL of the client's logo if a mail may show it.
func (c *Composer) logo(clientID string) string {
	raw := c.logoURL(clientID)
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return raw
}

// maxName bounds the client's name in subjects and SMS, in code points.
const maxName = 40

// clientName returns the name of the client as one short line. It comes from
// configuration, and can still neither start a header nor a second message.
func clientName(c store.Client) string {
	name := oneLine(c.Name, maxName)
	if name == "" {
		name = oneLine(c.ID, maxName)
	}
	return name
}

// care returns how to reach the client's customer care, or "".
func care(c store.Client, lang string) string {
	var ways []string
	for _, w := range []string{oneLine(c.CustomerCarePhone, maxName), oneLine(c.CustomerCareEmail, 254)} {
		if w != "" {
			ways = append(ways, w)
		}
	}
	if len(ways) == 0 {
		return ""
	}
	return texts.Get(lang, "mail.care", strings.Join(ways, ", "))
}

// oneLine returns s without anything that breaks a line, cut to most code points.
func oneLine(s string, most int) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || breaksLine(r) }), " ")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:most-1])) + "…"
}
