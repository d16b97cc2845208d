package account_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// consentStore notes what taking access back does, and may fail at one of it.
type consentStore struct {
	store.Store
	calls []string
	fails string
	hook  func(call string)
}

func (s *consentStore) do(call string) error {
	s.calls = append(s.calls, call)
	if s.hook != nil {
		s.hook(call)
	}
	if call == s.fails {
		return errDown
	}
	return nil
}

func (s *consentStore) AddConsent(ctx context.Context, c store.Consent) error {
	if err := s.do("AddConsent"); err != nil {
		return err
	}
	return s.Store.AddConsent(ctx, c)
}

func (s *consentStore) Consent(ctx context.Context, userID, clientID string) (store.Consent, error) {
	if err := s.do("Consent"); err != nil {
		return store.Consent{}, err
	}
	return s.Store.Consent(ctx, userID, clientID)
}

func (s *consentStore) DeleteConsent(ctx context.Context, userID, clientID string) error {
	if err := s.do("DeleteConsent"); err != nil {
		return err
	}
	return s.Store.DeleteConsent(ctx, userID, clientID)
}

func (s *consentStore) UserConsents(ctx context.Context, userID string) iter.Seq2[store.Consent, error] {
	if err := s.do("UserConsents"); err != nil {
		return func(yield func(store.Consent, error) bool) { yield(store.Consent{}, err) }
	}
	return s.Store.UserConsents(ctx, userID)
}

func (s *consentStore) User(ctx context.Context, id string) (store.User, error) {
	if err := s.do("User"); err != nil {
		return store.User{}, err
	}
	return s.Store.User(ctx, id)
}

func (s *consentStore) RevokeGrant(ctx context.Context, id string, until time.Time) error {
	if err := s.do("RevokeGrant"); err != nil {
		return err
	}
	return s.Store.RevokeGrant(ctx, id, until)
}

func consentEstate(t *testing.T) (*estate, *consentStore) {
	t.Helper()
	s := &consentStore{}
	w := newEstate(t, func(c *account.Config) {
		s.Store = c.Store.(store.Store)
		c.Store = s
	})
	s.calls = nil
	return w, s
}

func scopesOf(t *testing.T, w *estate, clientID string) []string {
	t.Helper()
	c, err := w.store.Consent(t.Context(), w.user.ID, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{}, c.Scopes...)
}

func TestConsentState(t *testing.T) {
	t.Parallel()
	w, _ := consentEstate(t)
	state := func(scopes ...string) account.ConsentState {
		t.Helper()
		c, err := w.Consent(t.Context(), w.user.ID, clientA.ID, scopes)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	give := func(scopes ...string) {
		t.Helper()
		if err := w.GiveConsent(t.Context(), w.user.ID, clientA.ID, scopes); err != nil {
			t.Fatal(err)
		}
	}
	if c := state(); c.Known || c.Complete() {
		t.Errorf("nothing was agreed to: %+v", c)
	}
	give()
	if c := state(); !c.Complete() {
		t.Errorf("agreed to being known: %+v", c)
	}
	if c := state("openid"); c.Complete() {
		t.Errorf("not agreed to: %+v", c)
	}
	give("profile", "openid", "openid")
	if c := state("email", "openid", "phone"); !slices.Equal(c.Missing, []string{"email", "phone"}) || !slices.Equal(c.Agreed, []string{"openid"}) || c.Complete() {
		t.Errorf("%+v", c)
	}
	if got := scopesOf(t, w, clientA.ID); !slices.Equal(got, []string{"openid", "profile"}) {
		t.Errorf("scopes %q", got)
	}
	if n := w.noticed(account.NoticeConsentGiven); n != 2 {
		t.Errorf("%d notices, want 2", n)
	}
	if c, err := w.Consent(t.Context(), w.user.ID, "another", []string{"openid"}); err != nil || c.Known {
		t.Errorf("at another client: %+v, %v", c, err)
	}
}

// Of a user who is not there no consent stays behind, however the two meet.
func TestConsentOfNobody(t *testing.T) {
	t.Parallel()
	w, s := consentEstate(t)
	s.hook = func(call string) { // deleted in between
		if call == "AddConsent" {
			if err := w.store.DeleteUser(t.Context(), w.user.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.GiveConsent(t.Context(), w.user.ID, clientA.ID, []string{"openid"}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("error %v, want ErrUserGone", err)
	}
	if got := scopesOf(t, w, clientA.ID); got != nil {
		t.Errorf("consent to %q of nobody", got)
	}

	w, _ = consentEstate(t)
	if err := w.GiveConsent(t.Context(), w.user.ID, clientA.ID, []string{"openid"}); err != nil {
		t.Fatal(err)
	}
	w.user.Blocked = true
	w.user = w.update(t, w.user)
	if err := w.GiveConsent(t.Context(), w.user.ID, clientA.ID, []string{"email"}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("error %v, want ErrUserGone", err)
	}
	if got := scopesOf(t, w, clientA.ID); !slices.Contains(got, "openid") {
		t.Errorf("a block took back what she had agreed to: %q", got)
	}
}

func TestSitesWithConsent(t *testing.T) {
	t.Parallel()
	w, _ := consentEstate(t) // with a grant to clientA
	for client, scopes := range map[string][]string{clientA.ID: {"profile"}, "another": {"openid", "email"}} {
		if err := w.GiveConsent(t.Context(), w.user.ID, client, scopes); err != nil {
			t.Fatal(err)
		}
	}
	sites, err := w.Sites(t.Context(), w.user.ID)
	if err != nil || len(sites) != 2 {
		t.Fatalf("sites %+v, %v", sites, err)
	}
	if s := sites[0]; s.ClientID != clientA.ID || s.Name != clientA.Name || s.Scope != "profile" || !slices.Equal(s.Agreed, []string{"profile"}) || s.EndsAt.IsZero() {
		t.Errorf("site %+v", s)
	}
	if s := sites[1]; s.ClientID != "another" || s.Scope != "" || !slices.Equal(s.Agreed, []string{"email", "openid"}) || !s.EndsAt.IsZero() || s.Since.IsZero() || s.UsedAt.IsZero() {
		t.Errorf("site %+v", s)
	}
}

// The consent goes before the grants that came of it.
func TestDisconnectOrder(t *testing.T) {
	t.Parallel()
	w, s := consentEstate(t)
	if err := w.GiveConsent(t.Context(), w.user.ID, clientA.ID, []string{"openid"}); err != nil {
		t.Fatal(err)
	}
	if err := w.GiveConsent(t.Context(), w.user.ID, "another", []string{"openid"}); err != nil {
		t.Fatal(err)
	}
	s.calls = nil
	for _, method := range []string{"Consent", "DeleteConsent", "RevokeGrant"} {
		s.fails = method
		if err := w.Disconnect(t.Context(), w.user.ID, clientA.ID); !errors.Is(err, errDown) {
			t.Errorf("%s is down: %v", method, err)
		}
		if n := w.noticed(account.NoticeDisconnected); n != 0 {
			t.Errorf("%s is down, and the access is said to be gone", method)
		}
	}
	s.fails, s.calls = "", nil
	if err := w.Disconnect(t.Context(), w.user.ID, clientA.ID); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Consent", "DeleteConsent", "RevokeGrant"}; !slices.Equal(s.calls, want) {
		t.Errorf("calls %q, want %q", s.calls, want)
	}
	if scopesOf(t, w, clientA.ID) != nil || scopesOf(t, w, "another") == nil {
		t.Error("not that consent, or another one, was taken back")
	}
	// A consent alone is access, too; nothing is not.
	for range 2 {
		if err := w.Disconnect(t.Context(), w.user.ID, "another"); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.noticed(account.NoticeDisconnected); n != 2 || scopesOf(t, w, "another") != nil {
		t.Errorf("%d notices, want 2", n)
	}
}
