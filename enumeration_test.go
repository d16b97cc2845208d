package connectid_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// The people of the test: who has an account shows in no answer.
const (
	withPassword    = "aa@example.com"
	withoutPassword = "bb@example.com"
	blockedUser     = "cc@example.com"
	unknownUser     = "dd@example.com"
)

var everybody = []string{withPassword, withoutPassword, blockedUser, unknownUser}

func newCrowd(t *testing.T) (*site, *storetest.Faulty) {
	var calls *storetest.Faulty
	s := newSite(t, func(c *connectid.Config) {
		calls = storetest.NewFaulty(c.Store)
		c.Store = calls
	})
	for _, who := range []string{withPassword, withoutPassword, blockedUser} {
		u := s.user(who, password)
		switch who {
		case withoutPassword:
			u.PasswordHash = ""
		case blockedUser:
			u.Blocked = true
		}
		if err := s.store.UpdateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	return s, calls
}

var (
	secretField = regexp.MustCompile(`name="(ticket|csrf_token)" value="[^"]*"`)
	cookieValue = regexp.MustCompile(`^([^=]+)=[^;]*`)
)

// seen is all that a stranger can see of an answer, with what is hers or random
// taken out.
func seen(b *browser, who string) string {
	var s strings.Builder
	fmt.Fprintln(&s, b.status, b.url.Path)
	names := make([]string, 0, len(b.headers))
	for name := range b.headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range b.headers[name] {
			switch name {
			case "Set-Cookie":
				v = cookieValue.ReplaceAllString(v, "$1=…")
			case "Content-Length":
				continue // the ticket's length varies by a byte or two; the body is compared below
			}
			fmt.Fprintln(&s, name+":", v)
		}
	}
	body := secretField.ReplaceAllString(b.body, `name="$1" value="…"`)
	body = strings.NewReplacer(who, "WHO", who[:1]+"•••@example.com", "MASKED").Replace(body)
	return s.String() + body
}

// Whether someone has an account, a password, or is blocked, shows at no step of
// any flow before a code proves that the address is the asker's own: not in
// status, headers, cookies or body, nor in the kind and number of store calls.
// What differs goes to the mailbox.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	for name, walk := range map[string]func(b *browser, who string, step func(string)){
		"login by password": func(b *browser, who string, step func(string)) {
			b.open("login", "credential", who)
			step("page")
			b.submit("verifyCredentialsEvent", "password", "wrong")
			step("wrong password")
		},
		"login by code": func(b *browser, who string, step func(string)) {
			b.open("login")
			b.submit("sendVerificationCodeEvent", "credential", who)
			step("code sent")
			b.submit("verificationEvent", "code", "12345x")
			step("wrong code")
			b.submit("sendVerificationCodeEvent")
			step("sent again")
		},
		"sign-up": func(b *browser, who string, step func(string)) {
			b.open("createUser", "credential", who)
			step("page")
			b.submit("sendVerificationCodeEvent")
			step("code sent")
			b.submit("verificationEvent", "code", "12345x")
			step("wrong code")
		},
		"sign-up, submitted by the page": func(b *browser, who string, step func(string)) {
			b.open("createUser", "credential", who, "credentialSubmit", "true")
			step("page")
			b.submit("continueEvent")
			step("code sent")
		},
		"forgotten password": func(b *browser, who string, step func(string)) {
			b.open("login", "credential", who).submit("forgotPasswordEvent")
			step("forgotten")
			b.submit("sendVerificationCodeEvent")
			step("code sent")
		},
		"reset": func(b *browser, who string, step func(string)) {
			b.open("resetPassword", "credential", who)
			step("page")
			b.submit("sendVerificationCodeEvent")
			step("code sent")
			b.submit("verificationEvent", "code", "12345x")
			step("wrong code")
		},
		"checks": func(b *browser, who string, step func(string)) {
			b.open("loginCheck", "credential", who)
			step("loginCheck")
			b.url = mustParse(b.t.(*testing.T), host)
			b.open("logout", "credential", who)
			step("logout")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, calls := newCrowd(t)
			var first map[string]string
			for _, who := range everybody {
				got := map[string]string{}
				b := s.browser()
				calls.Calls()
				before := len(s.outbox.List())
				walk(b, who, func(step string) {
					got[step] = seen(b, who)
					got[step+": store calls"] = strings.Join(calls.Calls(), " ")
				})
				for _, m := range s.outbox.List()[before:] {
					if m.To != who {
						t.Errorf("%s: a message went to %s", who, m.To)
					}
				}
				got["messages"] = fmt.Sprint(len(s.outbox.List()) - before)
				if first == nil {
					first = got
					continue
				}
				for step, want := range first {
					if got[step] != want {
						t.Errorf("%s, %s: it differs for %s:\n%s", name, step, who, difference(want, got[step]))
					}
				}
			}
		})
	}
}

func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return "- " + x[i] + "\n+ " + y[i]
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}

// The same with an account that somebody registered for another's address, and
// which she never proved: it is worthless once the owner proves the address.
func TestPreRegisteredAccount(t *testing.T) {
	s := newSite(t)
	u := s.user(kari, password)
	thief := s.login(kari, password, true)
	u, err := s.store.User(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range u.Credentials {
		u.Credentials[i].VerifiedAt = store.User{}.CreatedAt
	}
	if err := s.store.UpdateUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
	owner := s.browser()
	owner.open("createUser", "credential", kari).submit("sendVerificationCodeEvent")
	owner.submit("verificationEvent", "code", s.code(kari)).wantAt(returnURL)
	if thief.loggedIn() {
		t.Error("who registered the address first is still logged in")
	}
	s.browser().open("login").submit("verifyCredentialsEvent", "credential", kari, "password", password).wantState("startLoginState")
}
