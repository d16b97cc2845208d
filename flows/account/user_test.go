package account_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// newGrant stores a grant with an access token of the user.
func (e *env) newGrant(t testing.TB, userID string) (id string, token store.Digest) {
	t.Helper()
	id, token = fmt.Sprint("grant of ", userID), store.DigestOf("token of "+userID)
	at := time.Now()
	err := e.store.CreateGrant(t.Context(),
		store.Grant{ID: id, ClientID: clientA.ID, UserID: userID, Refresh: store.DigestOf("refresh"), CreatedAt: at, RefreshExpires: at.Add(time.Hour), ExpiresAt: at.Add(time.Hour)},
		store.AccessToken{Hash: token, GrantID: id, ClientID: clientA.ID, UserID: userID, CreatedAt: at, ExpiresAt: at.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return id, token
}

func TestCreateUser(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u, err := e.CreateUser(t.Context(), account.NewUser{
		Client: clientA, Credential: cred(t, "Ola@example.com"), FirstName: "  Ola\u0000  Åse ", LastName: "Nordmann\u202e",
		Password: goodPassword, Lang: "nn", TermsAccepted: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if stored, err := e.store.User(t.Context(), u.ID); err != nil || fmt.Sprint(stored) != fmt.Sprint(u) {
		t.Errorf("returned %+v, stored %+v", u, stored)
	}
	if len(u.ID) != 32 || strings.Trim(u.ID, "0123456789abcdef") != "" || u.Number <= 0 || u.Number >= 1<<53 {
		t.Errorf("ID %q, Number %d", u.ID, u.Number)
	}
	if u.FirstName != "Ola Åse" || u.LastName != "Nordmann" || u.Language != "nn" || u.TermsAt.IsZero() || u.PasswordSetAt.IsZero() {
		t.Errorf("user %+v", u)
	}
	if c := u.Credentials[0]; c.Identity != "ola@example.com" || c.Spelling != "Ola@example.com" || c.VerifiedAt.IsZero() {
		t.Errorf("credential %+v", c)
	}
	if err := e.login(t, "ola@example.com", goodPassword, from(1)); err != nil {
		t.Error(err)
	}
	if e.noticed(account.NoticeUserCreated) != 1 {
		t.Error("no notice")
	}
	none, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: cred(t, "40612345")})
	if err != nil || none.PasswordHash != "" || !none.TermsAt.IsZero() || !none.PasswordSetAt.IsZero() {
		t.Errorf("without password and terms: %+v, %v", none, err)
	}
}

func TestCreateUserRefuses(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	for name, c := range map[string]struct {
		n    account.NewUser
		want error
	}{
		"no credential":   {account.NewUser{}, account.ErrCredentialEmpty},
		"short password":  {account.NewUser{Credential: cred(t, "a@b.no"), Password: "kort"}, account.ErrPasswordShort},
		"common password": {account.NewUser{Credential: cred(t, "a@b.no"), Password: "passord123"}, account.ErrPasswordCommon},
		"name as password": {account.NewUser{Credential: cred(t, "a@b.no"), FirstName: "Bartholomeus", Password: "bartholomeus"},
			account.ErrPasswordCommon},
		"both names as password": {account.NewUser{Credential: cred(t, "a@b.no"), FirstName: "Kari", LastName: "Traa", Password: "kari traa"},
			account.ErrPasswordCommon},
		"credential as password": {account.NewUser{Credential: cred(t, "langt.navn@b.no"), Password: "Langt.Navn@b.no"}, account.ErrPasswordCommon},
		"client as password":     {account.NewUser{Client: store.Client{Name: "Dagens Blad"}, Credential: cred(t, "a@b.no"), Password: "dagensblad"}, account.ErrPasswordCommon},
		"long name":              {account.NewUser{Credential: cred(t, "a@b.no"), LastName: strings.Repeat("ø", 101)}, account.ErrNameLong},
		"very long name":         {account.NewUser{Credential: cred(t, "a@b.no"), FirstName: strings.Repeat(" ", 100000)}, account.ErrNameLong},
	} {
		if u, err := e.CreateUser(t.Context(), c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", name, u, err, c.want)
		}
	}
	if _, err := e.store.UserByCredential(t.Context(), store.Email, "a@b.no"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was stored: %v", err)
	}
}

// TestCreateUserTwice: two tabs that have proven the same address make one
// account, and who comes second gets nothing of it by an older proof.
func TestCreateUserTwice(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	var wg sync.WaitGroup
	ids := make([]string, 32)
	for i := range ids {
		wg.Go(func() {
			u, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: cred(t, "ola@example.com")})
			if err != nil && (!errors.Is(err, account.ErrTaken) || u.ID != "") {
				t.Errorf("%+v, %v", u, err)
			}
			ids[i] = u.ID
		})
	}
	wg.Wait()
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	if len(ids) != 1 {
		t.Fatalf("accounts %v", ids)
	}
	if e.noticed(account.NoticeUserCreated) != 1 {
		t.Errorf("%d accounts were made", e.noticed(account.NoticeUserCreated))
	}
	if err := e.Block(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: cred(t, "ola@example.com")}); !errors.Is(err, account.ErrTaken) {
		t.Errorf("the account is blocked: %v, and nobody is to learn that", err)
	}
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	for _, keepAll := range []bool{false, true} {
		t.Run(fmt.Sprintf("keepAll=%v", keepAll), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			e := setUp(t, func(c *account.Config) {
				c.ResetURL = func(c store.Client) string { return "https://login.example.com/user/resetPassword?clientId=" + c.ID }
			})
			u := e.addUser(t, goodPassword, "ola@example.com", "40612345", "22123456", "ola@work.example")
			u.Credentials = append(u.Credentials, store.Credential{Kind: store.Email, Identity: "open@example.com", Spelling: "open@example.com"})
			u = e.update(t, u)
			bystander := e.addUser(t, goodPassword, "kari@example.com")
			start := func(id string) (string, store.Digest) {
				h, s, err := e.StartSession(ctx, account.SessionStart{UserID: id, ClientID: clientA.ID})
				if err != nil {
					t.Fatal(err)
				}
				return h.Session, s.Handle
			}
			mine, keep := start(u.ID)
			other, _ := start(u.ID)
			foreign, _ := start(bystander.ID)
			cookie, err := e.Remember(ctx, account.RememberStart{UserID: u.ID, ClientID: clientA.ID})
			if err != nil {
				t.Fatal(err)
			}
			grant, token := e.newGrant(t, u.ID)
			if err := e.send(t, "ola@work.example", from(3)); err != nil { // an open code
				t.Fatal(err)
			}
			code := e.lastCode(t)

			const next = "en helt ny frase"
			got, err := e.SetPassword(ctx, u, account.PasswordChange{
				Password: next, KeepSession: keep, KeepAll: keepAll, Client: clientA, Used: cred(t, "ola@example.com"), Lang: "en",
			})
			if err != nil {
				t.Fatal(err)
			}
			if stored, _ := e.store.User(ctx, u.ID); stored.Version != got.Version || stored.PasswordHash != got.PasswordHash || got.PasswordHash == u.PasswordHash {
				t.Errorf("returned %+v, stored %+v", got, stored)
			}
			if err := e.login(t, "ola@example.com", goodPassword, from(1)); !errors.Is(err, account.ErrWrong) {
				t.Errorf("the old password: %v", err)
			}
			if err := e.login(t, "40612345", next, from(1)); err != nil {
				t.Errorf("the new password: %v", err)
			}
			if _, err := e.Session(ctx, mine); err != nil {
				t.Errorf("the own session: %v", err)
			}
			if _, err := e.Session(ctx, other); (err == nil) != keepAll {
				t.Errorf("the other session: %v", err)
			}
			if _, err := e.Session(ctx, foreign); err != nil {
				t.Errorf("another user's session: %v", err)
			}
			if _, err := e.Recall(ctx, clientA.ID, cookie, from(1)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("remember-me: %v", err)
			}
			if _, err := e.store.Grant(ctx, grant); !errors.Is(err, store.ErrRevoked) {
				t.Errorf("grant: %v", err)
			}
			if _, err := e.store.AccessToken(ctx, token); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("access token: %v", err)
			}
			if _, err := e.try(t, "ola@work.example", code, from(3)); !errors.Is(err, account.ErrExpired) {
				t.Errorf("open code: %v", err)
			}
			told := map[string]message.OutboxEntry{}
			for _, m := range e.outbox.List()[1:] {
				told[m.To] = m
			}
			if len(told) != 2 || told["+4740612345"].Kind != message.PasswordChanged || told["ola@work.example"].Kind != message.PasswordChanged {
				t.Errorf("told %v; want the other verified mobile and address", told)
			}
			if m := told["ola@work.example"]; !strings.Contains(m.Text, m.Link) || !strings.HasPrefix(m.Link, "https://login.example.com/user/resetPassword?") {
				t.Errorf("notice %+v", m)
			}
		})
	}
}

func TestSetPasswordRefuses(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola.nordmann@example.com")
	h, _, err := e.StartSession(t.Context(), account.SessionStart{UserID: u.ID})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]error{
		"kort": account.ErrPasswordShort, strings.Repeat("lang frase ", 30): account.ErrPasswordLong,
		"passord1": account.ErrPasswordCommon, "Ola.Nordmann": account.ErrPasswordCommon, "KariNordmann": account.ErrPasswordCommon,
	} {
		if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: password, Client: clientA}); !errors.Is(err, want) {
			t.Errorf("password %.20q: %v, want %v", password, err, want)
		}
	}
	if _, err := e.Session(t.Context(), h.Session); err != nil {
		t.Errorf("a refused password ended the session: %v", err)
	}
	if err := e.Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Client: clientA}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("blocked meanwhile: %v", err)
	}
	if err := e.store.DeleteUser(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Client: clientA}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("deleted meanwhile: %v", err)
	}
	if err := e.Block(t.Context(), u.ID); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("Block of nobody: %v", err)
	}
}

// TestSetPasswordAfterOtherChanges: somebody else's change of the record in
// between is neither lost nor in the way.
func TestSetPasswordAfterOtherChanges(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola@example.com")
	changed := u
	changed.FirstName = "Per"
	e.update(t, changed)
	got, err := e.SetPassword(t.Context(), u, account.PasswordChange{Password: "en helt ny frase", Client: clientA})
	if err != nil || got.FirstName != "Per" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestBlock(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola@example.com")
	h, _, err := e.StartSession(ctx, account.SessionStart{UserID: u.ID, ClientID: clientA.ID})
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := e.Remember(ctx, account.RememberStart{UserID: u.ID, ClientID: clientA.ID})
	if err != nil {
		t.Fatal(err)
	}
	grant, _ := e.newGrant(t, u.ID)
	for range 2 { // twice is no error
		if err := e.Block(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Session(ctx, h.Session); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("session: %v", err)
	}
	if _, err := e.CheckSession(ctx, h.Check); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("check: %v", err)
	}
	if _, err := e.Recall(ctx, clientA.ID, cookie, from(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("remember-me: %v", err)
	}
	if _, err := e.store.Grant(ctx, grant); !errors.Is(err, store.ErrRevoked) {
		t.Errorf("grant: %v", err)
	}
	if _, _, err := e.StartSession(ctx, account.SessionStart{UserID: u.ID}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("a login that was under way: %v", err)
	}
	for s := range e.store.UserSessions(ctx, u.ID) {
		t.Errorf("a session lives: %+v", s)
	}
	if _, err := e.User(ctx, u.ID); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("User: %v", err)
	}
	if err := e.Unblock(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Session(ctx, h.Session); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("session after unblocking: %v", err)
	}
	if err := e.login(t, "ola@example.com", goodPassword, from(1)); err != nil {
		t.Errorf("login after unblocking: %v", err)
	}
}
