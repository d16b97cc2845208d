package message_test

import (
	"context"
	"errors"
	"net/mail"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid/flows/message"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	good := message.Message{ID: "1", Channel: message.Email, To: "ola@example.com", Subject: "Koden din – Avisen", Text: "a\r\nb\n"}
	sms := message.Message{ID: "2", Channel: message.SMS, To: "+4740612345", Text: "a\nb"}
	for _, m := range []message.Message{good, sms} {
		if err := m.Check(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for name, edit := range map[string]func(m *message.Message){
		"no channel":          func(m *message.Message) { m.Channel = "" },
		"unknown channel":     func(m *message.Message) { m.Channel = "fax" },
		"no recipient":        func(m *message.Message) { m.To = "" },
		"second header":       func(m *message.Message) { m.To = "ola@example.com\r\nBcc: eve@example.com" },
		"second recipient":    func(m *message.Message) { m.To = "ola@example.com,eve@example.com" },
		"second with blank":   func(m *message.Message) { m.To = "ola@example.com eve@example.com" },
		"name and address":    func(m *message.Message) { m.To = "Ola <ola@example.com>" },
		"route":               func(m *message.Message) { m.To = "@a.no:ola@example.com" },
		"two signs":           func(m *message.Message) { m.To = "ola@eve@example.com" },
		"non-ASCII domain":    func(m *message.Message) { m.To = "ola@blåbær.no" },
		"subject with header": func(m *message.Message) { m.Subject = "Hei\r\nBcc: eve@example.com" },
		"subject with LF":     func(m *message.Message) { m.Subject = "Hei\nBcc: eve@example.com" },
		"subject with NUL":    func(m *message.Message) { m.Subject = "Hei\x00" },
		"subject turned":      func(m *message.Message) { m.Subject = "Hei\u202e" },
		"subject with U+2028": func(m *message.Message) { m.Subject = "Hei\u2028Bcc" },
		"damaged subject":     func(m *message.Message) { m.Subject = "\xff" },
		"ID":                  func(m *message.Message) { m.ID = "1\r\n" },
		"link":                func(m *message.Message) { m.Link = "https://a.no/\r\n" },
	} {
		m := good
		edit(&m)
		if err := m.Check(); !errors.Is(err, message.ErrUnsafe) {
			t.Errorf("%s: %v", name, err)
		}
		box, _ := message.NewOutbox(message.OutboxConfig{})
		if err := box.Send(t.Context(), m); !errors.Is(err, message.ErrUnsafe) || len(box.List()) != 0 {
			t.Errorf("%s: the outbox took it: %v", name, err)
		}
		if err := (message.Router{m.Channel: box}).Send(t.Context(), m); !errors.Is(err, message.ErrUnsafe) {
			t.Errorf("%s: the router took it: %v", name, err)
		}
	}
	for _, to := range []string{"", "40612345", "+47 40612345", "+4740612345,+4740612346", "+4740612345\n", "+47406123456789012", "+", "ola@example.com"} {
		m := sms
		m.To = to
		if err := m.Check(); !errors.Is(err, message.ErrUnsafe) {
			t.Errorf("SMS to %q: %v", to, err)
		}
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	var got []string
	note := func(name string) message.Sender {
		return message.SenderFunc(func(_ context.Context, m message.Message) error {
			got = append(got, name+" "+m.To)
			return nil
		})
	}
	r := message.Router{message.Email: note("mail"), message.SMS: note("sms")}
	for _, m := range []message.Message{
		{Channel: message.Email, To: "ola@example.com"}, {Channel: message.SMS, To: "+4740612345"},
	} {
		if err := r.Send(t.Context(), m); err != nil {
			t.Error(err)
		}
	}
	if s := strings.Join(got, ", "); s != "mail ola@example.com, sms +4740612345" {
		t.Errorf("sent %s", s)
	}
	m := message.Message{Channel: message.SMS, To: "+4740612345"}
	for _, r := range []message.Router{nil, {message.Email: note("mail")}, {message.SMS: nil}} {
		if err := r.Send(t.Context(), m); !errors.Is(err, message.ErrNoRoute) {
			t.Errorf("router %v: %v", r, err)
		}
	}
}

// FuzzCheck holds that what passes is one recipient for a mail library too, and
// that no short field can start a header.
func FuzzCheck(f *testing.F) {
	f.Add("ola@example.com", "Koden din")
	f.Add("ola@example.com\r\nBcc: eve@example.com", "x\r\ny")
	f.Add("<ola@example.com>", "")
	f.Add("a@b,c@d", "\u2028")
	f.Add("=?utf-8?q?a?=@b.no", "=?utf-8?q?a=0d=0aBcc:b@c.no?=")
	f.Fuzz(func(t *testing.T, to, subject string) {
		m := message.Message{Channel: message.Email, To: to, Subject: subject}
		if m.Check() != nil {
			return
		}
		if strings.ContainsAny(to+subject, "\r\n\x00") {
			t.Fatalf("%q %q", to, subject)
		}
		list, err := mail.ParseAddressList(to)
		if err == nil && (len(list) != 1 || list[0].Address != to || list[0].Name != "") {
			t.Fatalf("%q is read as %v", to, list)
		}
	})
}
