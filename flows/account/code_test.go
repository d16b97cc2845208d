package account_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

func TestCode(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "", "Ola@example.com")
	if err := e.send(t, "ola@EXAMPLE.com", from(1)); err != nil {
		t.Fatal(err)
	}
	m := e.outbox.List()[0]
	if m.To != "Ola@example.com" || m.Channel != message.Email || len(m.Code) != 6 || !strings.Contains(m.Text, m.Code) {
		t.Errorf("sent %+v, to the stored spelling", m)
	}
	typed := " " + m.Code[:3] + "\u00a0" + m.Code[3:] + "\n"
	p, err := e.try(t, "ola@example.com", typed, from(1))
	if err != nil || !p.Exists || p.User.ID != u.ID || p.Credential != cred(t, "ola@example.com") {
		t.Fatalf("right code: %+v, %v", p, err)
	}
	if stored, _ := e.store.User(t.Context(), u.ID); stored.Version != p.User.Version {
		t.Errorf("returned version %d, stored %d", p.User.Version, stored.Version)
	}
	if _, err := e.try(t, "ola@example.com", m.Code, from(1)); !errors.Is(err, account.ErrExpired) {
		t.Errorf("the code again: %v, want ErrExpired", err)
	}

	if err := e.send(t, "40612345", from(1)); err != nil {
		t.Fatal(err)
	}
	m = e.outbox.List()[1]
	if m.To != "+4740612345" || m.Channel != message.SMS {
		t.Errorf("sent %+v", m)
	}
	p, err = e.try(t, "40612345", m.Code, from(1))
	if err != nil || p.Exists || p.User.ID != "" || p.Credential.Identity != "+4740612345" {
		t.Errorf("right code of an unknown number: %+v, %v", p, err)
	}
}

// TestCodeIsBound: a code is worth nothing in another browser, for another
// purpose, credential or client.
func TestCodeIsBound(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, "", "ola@example.com", "40612345")
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	right := account.CodeAttempt{
		Client: clientA, Credential: cred(t, "ola@example.com"), Purpose: account.PurposeLogin, Origin: from(1), Code: e.lastCode(t),
	}
	for name, edit := range map[string]func(*account.CodeAttempt){
		"browser":    func(a *account.CodeAttempt) { a.Origin.Browser = store.DigestOf("another") },
		"purpose":    func(a *account.CodeAttempt) { a.Purpose = account.PurposeReset },
		"credential": func(a *account.CodeAttempt) { a.Credential = cred(t, "40612345") },
		"client":     func(a *account.CodeAttempt) { a.Client = clientB },
	} {
		a := right
		edit(&a)
		if p, err := e.VerifyCode(t.Context(), a); !errors.Is(err, account.ErrExpired) {
			t.Errorf("another %s: %+v, %v", name, p, err)
		}
	}
	unbound := right
	unbound.Origin.Browser = store.Digest{}
	if p, err := e.VerifyCode(t.Context(), unbound); err == nil || errors.Is(err, account.ErrWrong) {
		t.Errorf("no browser: %+v, %v", p, err)
	}
	elsewhere := right // the address may change, in a train
	elsewhere.Origin.Address = netip.MustParseAddr("203.0.113.9")
	if _, err := e.VerifyCode(t.Context(), elsewhere); err != nil {
		t.Errorf("another address: %v", err)
	}
}

func TestNewestCodeOnly(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	var codes []string
	for range 3 {
		if err := e.send(t, "ola@example.com", from(1)); err != nil {
			t.Fatal(err)
		}
		codes = append(codes, e.lastCode(t))
	}
	for _, old := range codes[:2] {
		if old == codes[2] {
			continue // one in a million
		}
		if _, err := e.try(t, "ola@example.com", old, from(1)); !errors.Is(err, account.ErrWrong) {
			t.Errorf("an older code: %v", err)
		}
	}
	if _, err := e.try(t, "ola@example.com", codes[2], from(1)); err != nil {
		t.Errorf("the newest code: %v", err)
	}
}

func TestCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t)
		for _, c := range []struct {
			wait time.Duration
			want error
		}{{10*time.Minute - time.Second, nil}, {10 * time.Minute, account.ErrExpired}} {
			if err := e.send(t, "ola@example.com", from(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(c.wait)
			if _, err := e.try(t, "ola@example.com", e.lastCode(t), from(1)); !errors.Is(err, c.want) {
				t.Errorf("after %v: %v, want %v", c.wait, err, c.want)
			}
		}
	})
}

func TestMalformedCodes(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"", "12345", "1234567", "12345a", "１２３４５６", "12-456", strings.Repeat(" ", 100) + "123456", "\x00" + e.lastCode(t)} {
		if _, err := e.try(t, "ola@example.com", code, from(1)); !errors.Is(err, account.ErrWrong) {
			t.Errorf("code %q: %v", code, err)
		}
	}
	if _, err := e.try(t, "ola@example.com", e.lastCode(t), from(1)); err != nil {
		t.Errorf("the right one after them: %v", err)
	}
}

func TestCodesAreUniform(t *testing.T) {
	t.Parallel()
	const n = 60000
	var count [6][10]int
	for range n {
		code := account.NewCode()
		if len(code) != 6 {
			t.Fatalf("code %q", code)
		}
		for i := range code {
			count[i][code[i]-'0']++
		}
	}
	for i, digits := range count {
		for d, c := range digits {
			if c < n/10*9/10 || c > n/10*11/10 { // 10 %: 8 standard deviations
				t.Errorf("digit %d is %d in %d of %d codes", i, d, c, n)
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	for _, raw := range []string{"22123456", "82012345"} {
		if err := e.send(t, raw, from(1)); !errors.Is(err, account.ErrCredentialPremium) {
			t.Errorf("code to %s: %v", raw, err)
		}
		if _, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: cred(t, raw)}); !errors.Is(err, account.ErrCredentialPremium) {
			t.Errorf("account for %s: %v", raw, err)
		}
	}
	if len(e.outbox.List()) != 0 {
		t.Error("something was sent")
	}
}

func TestBlockedUserGetsNoCode(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "", "ola@example.com")
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	before := e.lastCode(t)
	if err := e.Block(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.try(t, "ola@example.com", before, from(1)); err == nil {
		t.Error("a code from before the block lets in")
	}
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	m := e.outbox.List()[1]
	if m.Kind != message.Blocked || m.Code != "" {
		t.Errorf("a blocked account was sent %+v", m)
	}
	for _, code := range []string{"000000", before} {
		if _, err := e.try(t, "ola@example.com", code, from(1)); !errors.Is(err, account.ErrWrong) {
			t.Errorf("a code for a blocked account: %v", err)
		}
	}
	if e.noticed(account.NoticeCodeWrong) != 2 {
		t.Errorf("%d notices", e.noticed(account.NoticeCodeWrong))
	}
	if err := e.Unblock(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	if p, err := e.try(t, "ola@example.com", e.lastCode(t), from(1)); err != nil || !p.Exists {
		t.Errorf("unblocked: %+v, %v", p, err)
	}
}

// TestBlockedWhileCodeIsOut: blocked by somebody who does not know of codes.
func TestBlockedWhileCodeIsOut(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	u := e.addUser(t, "", "ola@example.com")
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	u.Blocked = true
	e.update(t, u)
	if p, err := e.try(t, "ola@example.com", e.lastCode(t), from(1)); !errors.Is(err, account.ErrWrong) || p.Exists {
		t.Errorf("the right code: %+v, %v", p, err)
	}
	if e.noticed(account.NoticeCodeWrong) != 1 {
		t.Error("not counted as wrong")
	}
}

// TestPreRegistered: an account that somebody made with a foreign address is
// worth nothing once the owner proves the address.
func TestPreRegistered(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	e := setUp(t)
	u := e.addUser(t, goodPassword, "victim@example.com")
	u.Credentials[0].VerifiedAt = time.Time{}
	u.Credentials[0].Spelling = "VICTIM@example.com" // might be another mailbox
	u = e.update(t, u)
	// What the first holder may have got somehow.
	h, _, err := e.StartSession(ctx, account.SessionStart{UserID: u.ID, ClientID: clientA.ID, Method: account.MethodPassword, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := e.Remember(ctx, account.RememberStart{UserID: u.ID, ClientID: clientA.ID})
	if err != nil {
		t.Fatal(err)
	}
	grant, token := e.newGrant(t, u.ID)

	if err := e.login(t, "victim@example.com", goodPassword, from(9)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("password login at an unverified credential: %v", err)
	}
	if err := e.send(t, "victim@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	if to := e.outbox.List()[0].To; to != "victim@example.com" {
		t.Errorf("the code went to %s", to)
	}
	p, err := e.try(t, "victim@example.com", e.lastCode(t), from(1))
	if err != nil || !p.Exists || p.User.ID != u.ID || p.User.PasswordHash != "" || !e.Owns(p.User, cred(t, "victim@example.com")) {
		t.Fatalf("the owner's proof: %+v, %v", p, err)
	}
	if err := e.login(t, "victim@example.com", goodPassword, from(9)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := e.Session(ctx, h.Session); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old session: %v", err)
	}
	if _, err := e.Recall(ctx, clientA.ID, cookie, from(9)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old remember-me: %v", err)
	}
	if _, err := e.store.Grant(ctx, grant); err == nil {
		t.Error("the old grant lives")
	}
	if _, err := e.store.AccessToken(ctx, token); err == nil {
		t.Error("the old token lives")
	}
	if e.noticed(account.NoticeTakeover) != 1 {
		t.Error("no notice")
	}
}

// TestForeignAddressOnAnAccount: whoever put somebody else's address on their
// own account loses it, and the owner gets nothing of that account.
func TestForeignAddressOnAnAccount(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	thief := e.addUser(t, goodPassword, "thief@example.com")
	thief.Credentials = append(thief.Credentials, store.Credential{Kind: store.Email, Identity: "victim@example.com", Spelling: "victim@example.com", AddedAt: time.Now()})
	thief = e.update(t, thief)
	if e.Owns(thief, cred(t, "victim@example.com")) {
		t.Error("an unverified credential is owned")
	}
	if err := e.send(t, "victim@example.com", from(1)); err != nil {
		t.Fatal(err)
	}
	p, err := e.try(t, "victim@example.com", e.lastCode(t), from(1))
	if err != nil || p.Exists {
		t.Fatalf("the owner's proof: %+v, %v", p, err)
	}
	mine, err := e.CreateUser(t.Context(), account.NewUser{Client: clientA, Credential: p.Credential})
	if err != nil || mine.ID == thief.ID {
		t.Fatalf("the owner's account: %+v, %v", mine, err)
	}
	if err := e.login(t, "thief@example.com", goodPassword, from(2)); err != nil {
		t.Errorf("the other account goes on: %v", err)
	}
	if err := e.login(t, "victim@example.com", goodPassword, from(3)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the other password at the owner's address: %v", err)
	}
}

func TestCodeSurvivesKeyRotation(t *testing.T) {
	t.Parallel()
	st := memstore.New()
	with := func(r *keys.Ring) *env {
		e := setUp(t, func(c *account.Config) { c.Store, c.Keys = st, r })
		e.store = st
		return e
	}
	before, after, without := with(ring(t, 'a')), with(ring(t, 'b', 'a')), with(ring(t, 'b'))
	for range 2 {
		if err := before.send(t, "ola@example.com", from(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := without.try(t, "ola@example.com", before.lastCode(t), from(1)); !errors.Is(err, account.ErrExpired) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := after.try(t, "ola@example.com", before.lastCode(t), from(1)); err != nil {
		t.Errorf("with a newer key in front: %v", err)
	}
}

// TestCodeRace: of 64 callers with the right code exactly one gets in, and the
// burst does not use up the budget.
func TestCodeRace(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) {
		c.Limits.SendsPerCredential.N, c.Limits.SendsPerAddress.N, c.Limits.SendsOverall.N = 1<<30, 1<<30, 1<<30
	})
	client := clientA
	client.SendsPerHour = 1 << 30
	e.addUser(t, "", "ola@example.com")
	req := account.CodeRequest{Client: client, Credential: cred(t, "ola@example.com"), Purpose: account.PurposeLogin, Origin: from(1)}
	for round := range *soakRounds {
		if err := e.SendCode(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		a := account.CodeAttempt{Client: client, Credential: req.Credential, Purpose: req.Purpose, Origin: req.Origin, Code: e.lastCode(t)}
		var mu sync.Mutex
		got := map[string]int{}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				p, err := e.VerifyCode(t.Context(), a)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && p.Exists:
					got["in"]++
				case errors.Is(err, account.ErrExpired):
					got["expired"]++
				case limitOf(err) == account.LimitCodeAccount:
					got["limited"]++
				default:
					got[err.Error()]++
				}
			})
		}
		wg.Wait()
		if got["in"] != 1 || got["in"]+got["expired"]+got["limited"] != 64 {
			t.Fatalf("round %d: %v", round, got)
		}
	}
}
