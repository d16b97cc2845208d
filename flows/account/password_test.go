package account_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

func TestVerifyPassword(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	want := e.addUser(t, goodPassword, "ola@example.com", "40612345")
	e.addUser(t, "", "without@example.com")
	blocked := e.addUser(t, goodPassword, "blocked@example.com")
	if err := e.Block(t.Context(), blocked.ID); err != nil {
		t.Fatal(err)
	}
	open := e.addUser(t, goodPassword, "unverified@example.com")
	open.Credentials[0].VerifiedAt = time.Time{}
	e.update(t, open)
	damaged := e.addUser(t, goodPassword, "damaged@example.com")
	damaged.PasswordHash = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	e.update(t, damaged)

	for i, c := range []struct {
		credential, password string
		want                 error
	}{
		{"ola@example.com", goodPassword, nil},
		{" OLA@Example.com ", goodPassword, nil},
		{"+47 406 12 345", goodPassword, nil},
		{"ola@example.com", goodPassword + " ", account.ErrWrong},
		{"ola@example.com", strings.ToUpper(goodPassword), account.ErrWrong},
		{"ola@example.com", "", account.ErrWrong},
		{"ola@example.com", strings.Repeat("x", 100000), account.ErrWrong},
		{"nobody@example.com", goodPassword, account.ErrWrong},
		{"without@example.com", "", account.ErrWrong},
		{"without@example.com", goodPassword, account.ErrWrong},
		{"blocked@example.com", goodPassword, account.ErrWrong},
		{"unverified@example.com", goodPassword, account.ErrWrong},
		{"damaged@example.com", goodPassword, account.ErrWrong},
	} {
		u, err := e.VerifyPassword(t.Context(), account.PasswordAttempt{
			Client: clientA, Credential: cred(t, c.credential), Password: c.password, Origin: from(byte(i)),
		})
		if !errors.Is(err, c.want) || (c.want == nil) != (u.ID == want.ID) {
			t.Errorf("%s with %.30q: %v, %v; want %v", c.credential, c.password, u.ID, err, c.want)
		}
	}
	if strings.Contains(e.log.String(), "example.com") && strings.Contains(e.log.String(), "damaged@") {
		t.Error("the log names a whole credential")
	}
}

func TestPasswordsAreNormalised(t *testing.T) {
	t.Parallel()
	e := setUp(t)
	e.addUser(t, "blåbærsyltetøy", "ola@example.com")
	decomposed := "bla\u030abærsyltetøy"
	if err := e.login(t, "ola@example.com", decomposed, from(1)); err != nil {
		t.Errorf("the same password in NFD: %v", err)
	}
}

// TestSameWorkForAll holds security promise 5: the hash runs once and the store
// is asked the same, whoever is asked for.
func TestSameWorkForAll(t *testing.T) {
	t.Parallel()
	spy := &spyStore{}
	e := setUp(t, func(c *account.Config) { spy.Store, c.Store = c.Store, spy })
	e.addUser(t, goodPassword, "existing@example.com")
	e.addUser(t, "", "nopassword@example.com")
	unverified := e.addUser(t, goodPassword, "unverified@example.com")
	unverified.Credentials[0].VerifiedAt = time.Time{}
	e.update(t, unverified)
	damaged := e.addUser(t, goodPassword, "damaged@example.com")
	damaged.PasswordHash = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	e.update(t, damaged)
	foreign := e.addUser(t, goodPassword, "foreign@example.com") // of a system without a verifier
	foreign.PasswordHash = "{SSHA}AAAA"
	e.update(t, foreign)
	blocked := e.addUser(t, goodPassword, "blocked@example.com")
	if err := e.Block(t.Context(), blocked.ID); err != nil {
		t.Fatal(err)
	}
	work := func(f func()) string {
		spy.reset()
		before, sent := e.PoolStats().Hashed, len(e.outbox.List())
		f()
		return fmt.Sprintf("%d hashes, %d messages, store calls %v", e.PoolStats().Hashed-before, len(e.outbox.List())-sent, spy.calls)
	}
	for _, step := range []struct {
		name string
		do   func(credential string, o account.Origin) error
		want error
	}{
		{"wrong password", func(c string, o account.Origin) error { return e.login(t, c, "something else", o) }, account.ErrWrong},
		{"send code", func(c string, o account.Origin) error { return e.send(t, c, o) }, nil},
		{"wrong code", func(c string, o account.Origin) error {
			_, err := e.try(t, c, wrongCode(e.lastCodeOr("123456")), o)
			return err
		}, account.ErrWrong},
		{"no live code", func(c string, o account.Origin) error {
			o.Browser = store.DigestOf("another")
			_, err := e.try(t, c, "123456", o)
			return err
		}, account.ErrExpired},
	} {
		var want string
		for i, c := range []string{"existing", "unknown", "nopassword", "unverified", "damaged", "foreign", "blocked"} {
			got := work(func() {
				if err := step.do(c+"@example.com", from(byte(i))); !errors.Is(err, step.want) {
					t.Errorf("%s, %s: %v, want %v", step.name, c, err, step.want)
				}
			})
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: %s takes %s, existing takes %s", step.name, c, got, want)
			}
		}
	}
	// The right password of a blocked user is as wrong as any other, also when
	// its hash is an old one that a login would replace.
	blocked, _ = e.store.User(t.Context(), blocked.ID)
	blocked.PasswordHash = setUp(t, func(c *account.Config) { c.Passwords.Passes = 2 }).addUser(t, goodPassword, "a@b.no").PasswordHash
	e.update(t, blocked)
	if got := work(func() { e.login(t, "blocked@example.com", goodPassword, from(9)) }); !strings.HasPrefix(got, "1 hashes") {
		t.Errorf("right password of a blocked user: %s", got)
	}
}

func (e *env) lastCodeOr(code string) string {
	if all := e.outbox.List(); len(all) > 0 && all[len(all)-1].Code != "" {
		return all[len(all)-1].Code
	}
	return code
}

func TestRehash(t *testing.T) {
	t.Parallel()
	foreign, err := bcrypt.GenerateFromPassword([]byte(goodPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	old := setUp(t, func(c *account.Config) { c.Passwords.Passes = 2 })
	made := old.addUser(t, goodPassword, "ola@example.com").PasswordHash
	for name, hash := range map[string]string{
		"other parameters": made,
		"bcrypt":           string(foreign),
		"bcrypt 2y":        "$2y$" + string(foreign[4:]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := setUp(t, func(c *account.Config) { c.Passwords.Verifiers = []account.Verifier{account.Bcrypt} })
			u := e.addUser(t, "", "ola@example.com")
			u.PasswordHash = hash
			u = e.update(t, u)
			if err := e.login(t, "ola@example.com", "not it, but long", from(1)); !errors.Is(err, account.ErrWrong) {
				t.Fatalf("wrong password: %v", err)
			}
			if got, _ := e.store.User(t.Context(), u.ID); got.PasswordHash != hash {
				t.Fatal("a wrong password changed the hash")
			}
			got, err := e.VerifyPassword(t.Context(), account.PasswordAttempt{
				Client: clientA, Credential: cred(t, "ola@example.com"), Password: goodPassword, Origin: from(1),
			})
			if err != nil {
				t.Fatal(err)
			}
			stored, err := e.store.User(t.Context(), u.ID)
			if err != nil || !strings.HasPrefix(stored.PasswordHash, "$argon2id$v=19$m=8,t=1,p=1$") {
				t.Errorf("hash after login is %q, %v", stored.PasswordHash, err)
			}
			if got.Version != stored.Version || got.PasswordHash != stored.PasswordHash {
				t.Errorf("returned version %d, stored %d", got.Version, stored.Version)
			}
			before := e.PoolStats().Hashed
			if err := e.login(t, "ola@example.com", goodPassword, from(1)); err != nil || e.PoolStats().Hashed != before+1 {
				t.Errorf("second login: %v, %d hashes", err, e.PoolStats().Hashed-before)
			}
		})
	}
}

// TestStrangeHashes feeds records that nobody should have stored: none of them
// lets anybody in, takes all the memory or panics.
func TestStrangeHashes(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) {
		c.Passwords.Verifiers = []account.Verifier{account.Bcrypt}
		c.Limits.PasswordsPerAccount.N = 1000
	})
	u := e.addUser(t, "", "ola@example.com")
	for i, h := range []string{
		"plain", "$", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$$", "$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
		"$argon2id$v=19$m=0,t=0,p=0$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA", "$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
		"$argon2id$v=19$m=4000000,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA", "$2a$31$" + strings.Repeat("a", 53), "$2a$", "$2b$04$short",
		"$argon2id$v=19$m=-8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA", "$pbkdf2-sha256$1$a$b",
	} {
		u.PasswordHash = h
		u = e.update(t, u)
		if err := e.login(t, "ola@example.com", "plain", from(byte(i))); !errors.Is(err, account.ErrWrong) {
			t.Errorf("hash %q: %v", h, err)
		}
	}
	if strings.Contains(e.log.String(), "c2FsdHNhbHQ") {
		t.Error("a hash stands in the log")
	}
}

func TestCheckNewPassword(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) { c.Passwords.Common = []string{"Aftenbladet Rules"} })
	for _, c := range []struct {
		password string
		want     error
	}{
		{"", account.ErrPasswordShort},
		{"kort123", account.ErrPasswordShort},
		{"blåbær7", account.ErrPasswordShort},
		{"a\u030aa\u030aa\u030aa\u030ae\u0301e\u0301e\u0301", account.ErrPasswordShort}, // 7 after NFC
		{"blåbær78x", nil},
		{"😀😁😂🤣😃😄😅😆", nil},
		{strings.Repeat("riktig hest ", 21) + "1234", nil},                      // 256
		{strings.Repeat("riktig hest ", 21) + "12345", account.ErrPasswordLong}, // 257
		{strings.Repeat("åæø ", 64), nil},                                       // 256 code points, 448 bytes
		{strings.Repeat("a\u030ab ", 85), nil},                                  // 255 after NFC, 340 before
		{strings.Repeat("x", 1<<20), account.ErrPasswordLong},
		{"password", account.ErrPasswordCommon},
		{"PassWord123", account.ErrPasswordCommon},
		{"12345678", account.ErrPasswordCommon},
		{"qwertyuiop", account.ErrPasswordCommon},
		{"iloveyou", account.ErrPasswordCommon},
		{"Passord123", account.ErrPasswordCommon},
		{"hemmelig", account.ErrPasswordCommon},
		{"LÖSENORD", account.ErrPasswordCommon},
		{"lo\u0308senord", account.ErrPasswordCommon},
		{"salasana", account.ErrPasswordCommon},
		{"adgangskode", account.ErrPasswordCommon},
		{"sommer2024", account.ErrPasswordCommon},
		{"aaaaaaaaaaaaaaaaaaaaa", account.ErrPasswordCommon},
		{"abababababababababab", account.ErrPasswordCommon},
		{"aftenbladet rules", account.ErrPasswordCommon},
		{"ola.nordmann@example.com", account.ErrPasswordCommon},
		{"Ola.Nordmann", account.ErrPasswordCommon},
		{"+4740612345", account.ErrPasswordCommon},
		{"4740612345", account.ErrPasswordCommon},
		{"40612345", account.ErrPasswordCommon},
		{"406 12 345", account.ErrPasswordCommon},
		{"Nordmannen Kari", account.ErrPasswordCommon},
		{"nordmannenkari", account.ErrPasswordCommon},
		{"ola.nordmann er best", nil},
		{goodPassword, nil},
	} {
		if got := e.CheckNewPassword(c.password, "ola.nordmann@example.com", "+4740612345", "Nordmannen Kari", ""); !errors.Is(got, c.want) {
			t.Errorf("CheckNewPassword(%.40q) = %v, want %v", c.password, got, c.want)
		}
	}
}

func TestCommonPasswordsFile(t *testing.T) {
	t.Parallel()
	list := account.CommonPasswords()
	if len(list) < 5000 || !slices.IsSorted(list) {
		t.Fatalf("%d passwords, sorted: %v", len(list), slices.IsSorted(list))
	}
	for _, p := range list {
		if p != account.Folded(p) || len([]rune(p)) < account.PasswordMin {
			t.Errorf("%q can never match", p)
		}
	}
}

// TestPoolBound signs in 500 people at once: never more hashes at a time than
// there are workers, so never more memory than theirs.
func TestPoolBound(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) {
		c.Passwords = account.Passwords{Workers: 2, Memory: 1 << 10, Passes: 1, Wait: time.Minute}
	})
	e.addUser(t, goodPassword, "ola@example.com")
	var wg sync.WaitGroup
	errs := make([]error, 500)
	for i := range errs {
		o := from(1)
		o.Address = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		wg.Go(func() { errs[i] = e.login(t, fmt.Sprintf("user%d@example.com", i), goodPassword, o) })
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, account.ErrWrong) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	if s := e.PoolStats(); s.Peak > 2 || s.Peak < 1 || s.Hashed != 502 || s.Running != 0 || s.Workers != 2 {
		t.Errorf("pool after 500 attempts: %+v", s)
	}
}

// slowVerifier holds a worker for as long as it is told.
type slowVerifier time.Duration

func (slowVerifier) Handles(h string) bool { return h == "slow" }

func (d slowVerifier) Verify(string, string) (bool, error) {
	time.Sleep(time.Duration(d)) // the bubble's clock
	return true, nil
}

func TestPoolSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) {
			c.Passwords = account.Passwords{Workers: 1, Memory: 8, Passes: 1, Verifiers: []account.Verifier{slowVerifier(3 * time.Second)}}
		})
		for _, c := range []string{"first@example.com", "second@example.com", "third@example.com"} {
			u := e.addUser(t, "", c)
			u.PasswordHash = "slow"
			e.update(t, u)
		}
		start := time.Now()
		results := map[string]string{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for delay, c := range map[time.Duration]string{0: "first@example.com", time.Second / 2: "second@example.com", 3 * time.Second / 2: "third@example.com"} {
			wg.Go(func() {
				time.Sleep(delay)
				err := e.login(t, c, goodPassword, from(1))
				mu.Lock()
				defer mu.Unlock()
				results[c] = fmt.Sprint(err, " after ", time.Since(start))
			})
		}
		wg.Wait()
		want := map[string]string{
			"first@example.com":  "<nil> after 3s",
			"second@example.com": account.ErrBusy.Error() + " after 2.5s",
			"third@example.com":  "<nil> after 6s", // it waits from 1.5 s to 3 s
		}
		if !maps.Equal(results, want) {
			t.Errorf("got %v, want %v", results, want)
		}
		if s := e.PoolStats(); s.Shed != 1 || e.noticed(account.NoticeBusy) != 1 || s.Peak != 1 {
			t.Errorf("pool: %+v, %d notices", s, e.noticed(account.NoticeBusy))
		}
	})
}

// TestBusyIsNotCounted: what the pool sheds was no guess.
func TestBusyIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := setUp(t, func(c *account.Config) {
			c.Passwords = account.Passwords{Workers: 1, Memory: 8, Passes: 1, Verifiers: []account.Verifier{slowVerifier(time.Minute)}}
			c.Limits.PasswordsPerAccount = account.Budget{N: 1}
		})
		slow := e.addUser(t, "", "slow@example.com")
		slow.PasswordHash = "slow"
		e.update(t, slow)
		e.addUser(t, "", "ola@example.com")
		var wg sync.WaitGroup
		wg.Go(func() { e.login(t, "slow@example.com", goodPassword, from(1)) })
		synctest.Wait()
		for range 5 {
			if err := e.login(t, "ola@example.com", "wrong password", from(2)); !errors.Is(err, account.ErrBusy) {
				t.Errorf("with a full pool: %v", err)
			}
		}
		wg.Wait()
		if err := e.login(t, "ola@example.com", "wrong password", from(2)); !errors.Is(err, account.ErrWrong) {
			t.Errorf("first counted attempt: %v", err)
		}
	})
}
