package account_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/storetest"
)

// estate is a user with one of everything, on a store that can fail.
type estate struct {
	*env
	faulty *storetest.Faulty
	user   store.User
	sess   store.Session
	here   account.Here
	others []account.Device
}

func newEstate(t testing.TB, edit ...func(*account.Config)) *estate {
	t.Helper()
	w := &estate{}
	w.env = setUp(t, append([]func(*account.Config){func(c *account.Config) {
		w.faulty = storetest.NewFaulty(c.Store.(store.Store))
		c.Store, c.Clients = w.faulty, w.faulty
	}}, edit...)...)
	w.user = w.addUser(t, goodPassword, "ola@example.com", "40612345")
	if err := w.store.PutClient(t.Context(), clientA); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 2 { // elsewhere, and here
		if _, w.sess, err = w.StartSession(t.Context(), account.SessionStart{UserID: w.user.ID, Epoch: w.user.Epoch, ClientID: clientA.ID, Method: account.MethodPassword, Agent: "Firefox", Fresh: true}); err != nil {
			t.Fatal(err)
		}
		w.here = account.Here{Session: w.sess.Handle, ClientID: clientA.ID}
		if w.here.Remember, err = w.Remember(t.Context(), account.RememberStart{UserID: w.user.ID, Epoch: w.user.Epoch, ClientID: clientA.ID, Agent: "Firefox"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store.PutDirectoryLink(t.Context(), store.DirectoryLink{Directory: "acme", UserID: w.user.ID, Tenant: "tenant-1", ObjectID: "object-1", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := w.store.CreateGrant(t.Context(), store.Grant{
		ID: "grant-1", ClientID: clientA.ID, UserID: w.user.ID, Scope: "profile", Refresh: store.DigestOf("refresh"), Resources: []string{"https://api.example.com/"},
		CreatedAt: time.Now(), RefreshExpires: time.Now().Add(time.Hour), ExpiresAt: time.Now().Add(time.Hour),
	}, store.AccessToken{Hash: store.DigestOf("token"), GrantID: "grant-1", ClientID: clientA.ID, UserID: w.user.ID, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for s := range w.store.UserSessions(t.Context(), w.user.ID) {
		if err := w.store.VisitSession(t.Context(), s.Handle, clientA.ID); err != nil {
			t.Fatal(err)
		}
	}
	devices, err := w.Devices(t.Context(), w.user.ID, w.here)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		if !d.Current {
			w.others = append(w.others, d)
		}
	}
	if len(devices) != 4 || len(w.others) != 2 {
		t.Fatalf("devices %+v", devices)
	}
	w.faulty.Calls()
	return w
}

// A store that fails at any call of what users do to their own accounts is an
// outage: no answer, no success, and repeating it works.
func TestOwnOutage(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]struct {
		do   func(ctx context.Context, w *estate) error
		done string // the call after which it has happened: later ones are extra
	}{
		"SetProfile": {do: func(ctx context.Context, w *estate) error {
			_, err := w.SetProfile(ctx, w.user.ID, account.Profile{FirstName: "Ola"})
			return err
		}},
		"RemoveCredential": {done: "DropOneTimeCodes", do: func(ctx context.Context, w *estate) error {
			_, err := w.RemoveCredential(ctx, w.user.ID, account.CredentialRemoval{Credential: cred(t, "40612345"), Client: clientA})
			return err
		}},
		"Devices":   {do: func(ctx context.Context, w *estate) error { _, err := w.Devices(ctx, w.user.ID, w.here); return err }},
		"EndDevice": {do: func(ctx context.Context, w *estate) error { return w.EndDevice(ctx, w.user.ID, w.others[1].Key) }},
		"EndOtherDevices": {do: func(ctx context.Context, w *estate) error {
			return w.EndOtherDevices(ctx, w.user.ID, w.here)
		}},
		"Sites":      {do: func(ctx context.Context, w *estate) error { _, err := w.Sites(ctx, w.user.ID); return err }},
		"Disconnect": {do: func(ctx context.Context, w *estate) error { return w.Disconnect(ctx, w.user.ID, clientA.ID) }},
		"Export":     {do: func(ctx context.Context, w *estate) error { _, err := w.Export(ctx, w.user.ID); return err }},
		"Delete": {done: "DeleteUser", do: func(ctx context.Context, w *estate) error {
			return w.Delete(ctx, account.Deletion{UserID: w.user.ID, Client: clientA})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEstate(t)
			if err := op.do(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			calls := w.faulty.Calls()
			last := len(calls)
			if op.done != "" {
				last = slices.Index(calls, op.done) + 1
			}
			if last == 0 {
				t.Fatalf("calls %q", calls)
			}
			for i, call := range calls {
				for _, after := range []bool{false, true} {
					w := newEstate(t)
					w.faulty.Inject(storetest.Fault{Nth: i + 1, After: after})
					err := op.do(t.Context(), w)
					if (err == nil) != (i >= last) {
						t.Errorf("%s fails as call %d, after %v: %v", call, i+1, after, err)
					}
					for _, a := range answers {
						if errors.Is(err, a) {
							t.Errorf("%s fails as call %d: %v tells the reader something", call, i+1, err)
						}
					}
					w.faulty.Heal()
					if err := op.do(t.Context(), w); err != nil && !(name == "Delete" && errors.Is(err, account.ErrUserGone)) {
						t.Errorf("after %s failed as call %d: %v", call, i+1, err)
					}
				}
			}
		})
	}
}

// What nobody may read of a user, and what the stores need for themselves. Every
// other field of every record of hers is in the export.
var notExported = map[string]string{
	"User.PasswordHash": "secret", "User.Epoch": "the store's", "Series.Epoch": "the account's own", "Series.RotatedAt": "of a secret", "Series.Lost": "of a secret",
	"Session.Handle": "secret", "Session.Check": "secret", "Session.UserID": "the account's own",
	"Session.ID": "a random name of the login", "Session.Method": "how, at one moment", "Session.FreshAt": "how, at one moment",
	"Series.ID": "secret", "Series.Current": "secret", "Series.Previous": "secret", "Series.Older": "secret",
	"Series.OlderUntil": "of a secret", "Series.PresentedAt": "of a secret", "Series.KeyID": "of a secret",
	"Series.Version": "the store's", "Series.UserID": "the account's own", "Series.FreshAt": "the same as CreatedAt",
	"Grant.ID": "names secrets", "Grant.Version": "the store's", "Grant.UserID": "the account's own",
	"Grant.AuthenticatedAt": "of the session", "Grant.Generation": "of a secret", "Grant.Refresh": "secret",
	"Grant.Previous": "secret", "Grant.SessionID": "a random name of the login", "Grant.DPoPKey": "of a secret", "Grant.KeyID": "of a secret", "Grant.RefreshExpires": "of a secret",
}

// A field that somebody adds to a record has to be exported, or listed above.
func TestExportHoldsEveryField(t *testing.T) {
	t.Parallel()
	exported := map[reflect.Type]map[string]string{
		reflect.TypeFor[store.User](): {
			"ID": "Account.ID", "Number": "Account.UserID", "Version": "Account.Changes", "Blocked": "Account.Blocked",
			"Credentials": "Credentials", "PasswordSetAt": "Account.PasswordSetAt", "FirstName": "Account.FirstName",
			"LastName": "Account.LastName", "Language": "Account.Language", "TermsAt": "Account.TermsAt",
			"Ties": "Account.Ties", "CreatedAt": "Account.CreatedAt", "UpdatedAt": "Account.UpdatedAt",
		},
		reflect.TypeFor[store.Credential](): {"Kind": "Type", "Identity": "ComparedAs", "Spelling": "Credential", "VerifiedAt": "VerifiedAt", "AddedAt": "AddedAt"},
		reflect.TypeFor[store.Session]():    {"ClientID": "ClientID", "Agent": "Device", "Clients": "Clients", "CreatedAt": "CreatedAt", "UsedAt": "UsedAt", "IdleAt": "EndsAt", "ExpiresAt": "EndsAt"},
		reflect.TypeFor[store.Series]():     {"ClientID": "ClientID", "Agent": "Device", "CreatedAt": "CreatedAt", "UsedAt": "UsedAt", "IdleAt": "EndsAt", "ExpiresAt": "EndsAt"},
		reflect.TypeFor[store.Grant]():      {"ClientID": "ClientID", "Scope": "Scope", "CreatedAt": "Since", "RotatedAt": "UsedAt", "ExpiresAt": "EndsAt", "Resources": "Resources"},
	}
	for typ, fields := range exported {
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			_, is := fields[name]
			_, not := notExported[typ.Name()+"."+name]
			if is == not {
				t.Errorf("%s.%s: exported %v, left out for a reason %v; want one of them", typ.Name(), name, is, not)
			}
		}
	}
	w := newEstate(t, func(c *account.Config) {
		c.Parts = []account.Part{{Name: "memberships", List: func(context.Context, store.User) ([]account.PartItem, error) {
			return []account.PartItem{{Title: "Turlaget"}}, nil
		}}}
	})
	u := w.user
	u.TermsAt, u.Language = time.Now(), "sv"
	u.Ties = []store.Tie{{Kind: store.CustomerTie, PartnerID: "p", Number: "4711", TiedAt: time.Now()}}
	w.update(t, u)
	x, err := w.Export(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing that has a value in the stores is empty in the export.
	for path, v := range map[string]any{"account": x.Account, "credential": x.Credentials[1], "device": x.Devices[0], "remembered": x.Devices[2], "site": x.Sites[0]} {
		r := reflect.ValueOf(v)
		for i := range r.NumField() {
			if name := r.Type().Field(i).Name; r.Field(i).IsZero() && name != "Blocked" && !(path == "remembered" && name == "Clients") {
				t.Errorf("%s: %s is empty", path, name)
			}
		}
	}
	raw, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"argon2", w.here.Remember, w.here.Remember[:16], w.sess.Handle.String(), w.sess.Check.String(), "grant-1", store.DigestOf("refresh").String()} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the export holds %q", secret)
		}
	}
	if d := x.Parts["directories"]; len(d) != 1 || !strings.Contains(string(raw), `"objectId":"object-1"`) {
		t.Errorf("directories %+v", d)
	}
	if len(x.Devices) != 4 || x.Parts["memberships"][0].Title != "Turlaget" || x.Devices[0].Site != clientA.Name {
		t.Errorf("exported %s", raw)
	}
}

// The host and the parts come first, the account last; an error of either leaves
// everything as it was.
func TestDeleteOrder(t *testing.T) {
	t.Parallel()
	var order []string
	var hostErr, partErr error
	var w *estate
	w = newEstate(t, func(c *account.Config) {
		c.OnDelete = func(_ context.Context, u store.User) error {
			order = append(order, w.faulty.Calls()...)
			order = append(order, "host")
			if len(u.Credentials) != 2 {
				t.Errorf("the host is told of %+v", u)
			}
			return hostErr
		}
		c.Parts = []account.Part{
			{Name: "kept", List: func(context.Context, store.User) ([]account.PartItem, error) { return nil, nil }},
			{Name: "part", List: func(context.Context, store.User) ([]account.PartItem, error) { return nil, nil },
				Remove: func(context.Context, store.User) error {
					order = append(append(order, w.faulty.Calls()...), "part")
					return partErr
				}},
		}
	})
	d := account.Deletion{UserID: w.user.ID, Client: clientA}
	hostErr = errors.New("host down")
	if err := w.Delete(t.Context(), d); !errors.Is(err, hostErr) {
		t.Errorf("host down: %v", err)
	}
	hostErr, partErr = nil, errors.New("part down")
	if err := w.Delete(t.Context(), d); !errors.Is(err, partErr) {
		t.Errorf("part down: %v", err)
	}
	if devices, err := w.Devices(t.Context(), w.user.ID, w.here); err != nil || len(devices) != 4 {
		t.Errorf("devices %+v, %v: ended by a deletion that was refused", devices, err)
	}
	partErr, order = nil, nil
	w.faulty.Calls()
	if err := w.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	order = append(order, w.faulty.Calls()...)
	want := []string{"User", "host", "DeleteUserDirectoryLinks", "DeleteUserConsents", "part", "EndUserSeries", "UserSessions", "PutDelivery", "PutDelivery", "EndUserSessions", "DropOneTimeCodes", "DropOneTimeCodes", "DropUserTickets", "RevokeUserGrants", "DeleteUser"}
	if len(order) < len(want) || !slices.Equal(order[:len(want)], want) {
		t.Errorf("calls %q, want %q first", order, want)
	}
	if err := w.Delete(t.Context(), d); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("once more: %v", err)
	}
	if _, err := w.store.DirectoryUser(t.Context(), "tenant-1", "object-1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the person of the directory is not free: %v", err)
	}
	if w.noticed(account.NoticeUserDeleted) != 1 {
		t.Error("the observer was not told once")
	}
}

// What begins between the last calls of a deletion does not outlive it.
func TestDeleteEndsWhatBeganMeanwhile(t *testing.T) {
	t.Parallel()
	w := newEstate(t)
	began := false
	w.faulty.Inject(storetest.Fault{Method: "DeleteUser", Hook: func(string) {
		_, _, err1 := w.StartSession(t.Context(), account.SessionStart{UserID: w.user.ID, Epoch: w.user.Epoch, ClientID: clientA.ID})
		_, err2 := w.Remember(t.Context(), account.RememberStart{UserID: w.user.ID, Epoch: w.user.Epoch, ClientID: clientA.ID})
		if err := errors.Join(err1, err2); err != nil {
			t.Error(err)
		}
		began = true
	}})
	if err := w.Delete(t.Context(), account.Deletion{UserID: w.user.ID, Client: clientA}); err != nil || !began {
		t.Fatal(err, began)
	}
	if left, err := w.Devices(t.Context(), w.user.ID, w.here); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// Whoever logs in while the account is being deleted is not logged in afterwards.
func TestDeleteRacesLogins(t *testing.T) {
	t.Parallel()
	for range max(*soakRounds/10, 10) {
		w := newEstate(t)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				for range 5 {
					w.StartSession(t.Context(), account.SessionStart{UserID: w.user.ID, Epoch: w.user.Epoch, ClientID: clientA.ID})
				}
			})
		}
		wg.Go(func() {
			<-start
			if err := w.Delete(t.Context(), account.Deletion{UserID: w.user.ID, Client: clientA}); err != nil {
				t.Error(err)
			}
		})
		close(start)
		wg.Wait()
		for s, err := range w.store.UserSessions(t.Context(), w.user.ID) {
			t.Fatalf("a session of a deleted user: %+v, %v", s, err)
		}
	}
}

// Of two who remove the last two credentials at once one is refused.
func TestRemoveCredentialRace(t *testing.T) {
	t.Parallel()
	for range max(*soakRounds/10, 10) {
		e := setUp(t)
		u := e.addUser(t, "", "ola@example.com", "40612345")
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, raw := range []string{"ola@example.com", "40612345"} {
			wg.Go(func() {
				_, errs[i] = e.RemoveCredential(t.Context(), u.ID, account.CredentialRemoval{Credential: cred(t, raw), Client: clientA})
			})
		}
		wg.Wait()
		u, err := e.store.User(t.Context(), u.ID)
		if err != nil || len(u.Credentials) != 1 || (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("credentials %+v, %v, errors %v", u.Credentials, err, errs)
		}
	}
}

func TestRemoveCredential(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "ola@example.com", "40612345")
	u.Credentials = append(u.Credentials, store.Credential{Kind: store.Email, Identity: "not.mine@example.com", Spelling: "not.mine@example.com"})
	u.Language = "sv"
	u = e.update(t, u)
	remove := func(raw string) error {
		_, err := e.RemoveCredential(t.Context(), u.ID, account.CredentialRemoval{Credential: cred(t, raw), Client: clientA, Lang: "fi"})
		return err
	}
	if err := e.send(t, "40612345", from(1)); err != nil {
		t.Fatal(err)
	}
	code := e.lastCode(t)
	before := len(e.outbox.List())
	if err := remove("40612345"); err != nil {
		t.Fatal(err)
	}
	told := e.outbox.List()[before:]
	if len(told) != 2 || told[0].Kind != message.CredentialRemoved || !strings.Contains(told[0].Subject, "Ditt konto") || strings.Contains(told[0].Text, "40612345") {
		t.Errorf("told %+v", told)
	}
	if _, err := e.try(t, "40612345", code, from(1)); !errors.Is(err, account.ErrExpired) {
		t.Errorf("a code of the removed number: %v", err)
	}
	if err := remove("40612345"); err != nil { // not hers any more
		t.Error(err)
	}
	if err := remove("ola@example.com"); !errors.Is(err, account.ErrLastCredential) { // the other is not verified
		t.Errorf("the last verified one: %v", err)
	}
	if err := remove("not.mine@example.com"); err != nil {
		t.Error(err)
	}
	if got := len(e.outbox.List()) - before; got != 3 { // ola@example.com, and not who never was hers
		t.Errorf("%d messages, want 3", got)
	}
	if e.noticed(account.NoticeCredentialRemoved) != 2 {
		t.Errorf("%d notices", e.noticed(account.NoticeCredentialRemoved))
	}
	if err := e.Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := remove("ola@example.com"); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("blocked: %v", err)
	}
}

// Keys of devices are good over a rotation of the kit's keys, and only for their
// user.
func TestDeviceKeys(t *testing.T) {
	t.Parallel()
	w := newEstate(t)
	rotated := setUp(t, func(c *account.Config) { c.Store, c.Keys = w.store, ring(t, 'b', 'a') })
	if err := rotated.EndDevice(t.Context(), "somebody", w.others[0].Key); err != nil {
		t.Error(err)
	}
	for i, d := range w.others {
		if d.Key == w.sess.Handle.String() || len(d.Key) != 43 {
			t.Errorf("key %q", d.Key)
		}
		if err := rotated.EndDevice(t.Context(), w.user.ID, d.Key); err != nil {
			t.Error(err)
		}
		if left, err := w.Devices(t.Context(), w.user.ID, w.here); err != nil || len(left) != 3-i {
			t.Errorf("%d devices are left, %v", len(left), err)
		}
	}
	if owner := w.Owner(w.user.ID); !rotated.IsOwner(w.user.ID, owner) || rotated.IsOwner("somebody", owner) || rotated.IsOwner(w.user.ID, "") {
		t.Error("owners of forms do not outlive a rotation, or are not one user's")
	}
	if err := w.EndDevice(t.Context(), w.user.ID, "no such key"); err != nil {
		t.Error(err)
	}
}

func TestSetProfile(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "", "ola@example.com")
	got, err := e.SetProfile(t.Context(), u.ID, account.Profile{FirstName: " Ola\u200b  Per ", LastName: "", Language: "fi"})
	if err != nil || got.FirstName != "Ola Per" || got.LastName != "" || got.Language != "fi" {
		t.Errorf("%+v, %v", got, err)
	}
	same, err := e.SetProfile(t.Context(), u.ID, account.Profile{FirstName: "Ola Per", Language: "tlh"})
	if err != nil || same.Version != got.Version || same.Language != "fi" {
		t.Errorf("nothing new is written: %+v, %v", same, err)
	}
	if _, err := e.SetProfile(t.Context(), u.ID, account.Profile{LastName: strings.Repeat("x", 101)}); !errors.Is(err, account.ErrNameLong) {
		t.Errorf("long: %v", err)
	}
	if err := e.Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.SetProfile(t.Context(), u.ID, account.Profile{}); !errors.Is(err, account.ErrUserGone) {
		t.Errorf("blocked: %v", err)
	}
}
