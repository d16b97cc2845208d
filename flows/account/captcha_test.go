package account_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store/memstore"
)

// riddle asks a numbered question whose answer is its number, or does as told.
type riddle struct {
	mu    sync.Mutex
	asked int
	ask   func(context.Context) error
	check func(context.Context) error
}

func (r *riddle) Ask(ctx context.Context, a account.Asker) (account.Challenge, error) {
	var err error
	if r.ask != nil {
		err = r.ask(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	n := strconv.Itoa(r.asked)
	return account.Challenge{State: n, Question: "What is " + n + "?"}, err
}

func (r *riddle) Solved(ctx context.Context, _ account.Asker, c account.Challenge, answer string) (bool, error) {
	var err error
	if r.check != nil {
		err = r.check(ctx)
	}
	return answer == c.State, err
}

// attempts are what challenges stand before, with the number of tries that the
// default leaves free.
var attempts = []struct {
	name string
	free int
	want error
	do   func(t *testing.T, e *env, credential string, o account.Origin) error
}{
	{"password", 5, account.ErrWrong, func(t *testing.T, e *env, c string, o account.Origin) error {
		return e.login(t, c, "not the password", o)
	}},
	{"code check", 5, account.ErrWrong, func(t *testing.T, e *env, c string, o account.Origin) error {
		_, err := e.try(t, c, wrongCode(e.lastCodeOr("123456")), o)
		return err
	}},
	{"code request", 2, nil, func(t *testing.T, e *env, c string, o account.Origin) error { return e.send(t, c, o) }},
}

func challengeOf(err error) (*account.ChallengeError, bool) {
	return errors.AsType[*account.ChallengeError](err)
}

// TestCaptcha uses up half of each budget: from then on an attempt needs an
// answer, nothing is done without, and existing and unknown accounts are alike.
func TestCaptcha(t *testing.T) {
	t.Parallel()
	for _, a := range attempts {
		for _, who := range []string{"existing@example.com", "unknown@example.com", "blocked@example.com"} {
			t.Run(a.name+" for "+who, func(t *testing.T) {
				t.Parallel()
				hook := &riddle{}
				e := setUp(t, func(c *account.Config) { c.Captcha = hook })
				e.addUser(t, goodPassword, "existing@example.com")
				blocked := e.addUser(t, goodPassword, "blocked@example.com")
				if err := e.Block(t.Context(), blocked.ID); err != nil {
					t.Fatal(err)
				}
				if a.name == "code check" {
					if err := e.send(t, "nobody@example.com", from(1)); err != nil { // so that there is a code to differ from
						t.Fatal(err)
					}
					if err := e.send(t, who, from(1)); err != nil {
						t.Fatal(err)
					}
				}
				in := &account.Captchas{Lang: "en"}
				o := from(1)
				o.Captchas = in
				for i := range a.free {
					if err := a.do(t, e, who, o); !errors.Is(err, a.want) {
						t.Fatalf("attempt %d: %v, want %v", i, err, a.want)
					}
				}
				if a.want != nil && in.Next.Question != "What is 1?" {
					t.Errorf("the next challenge was not announced: %+v", in.Next)
				}
				sent, hashed := len(e.outbox.List()), e.PoolStats().Hashed
				for i := range 20 { // more than the budget: what is refused is not counted
					in.Asked, in.Answer = in.Next, "0"
					c, ok := challengeOf(a.do(t, e, who, o))
					if !ok || c.Wrong != !in.Asked.IsZero() || c.Challenge.Question == "" {
						t.Fatalf("attempt %d without an answer: %+v", i, c)
					}
					in.Next = c.Challenge
				}
				if len(e.outbox.List()) != sent || e.PoolStats().Hashed != hashed {
					t.Error("something was sent or compared without an answer")
				}
				if n := e.noticed(account.NoticeCaptchaWrong); n < 19 {
					t.Errorf("%d notices of wrong answers", n)
				}
				in.Asked, in.Answer = in.Next, in.Next.State
				if err := a.do(t, e, who, o); !errors.Is(err, a.want) {
					t.Errorf("with the answer: %v, want %v", err, a.want)
				}
				in.Asked = account.Challenge{}
				if _, ok := challengeOf(a.do(t, e, who, o)); !ok {
					t.Error("an answer opened the way for good")
				}
				o.Captchas = nil
				if _, ok := challengeOf(a.do(t, e, who, o)); !ok {
					t.Error("who can answer nothing is let through")
				}
			})
		}
	}
}

// The right password after a challenge logs in, and the budget that it gives back
// asks for none.
func TestCaptchaThenIn(t *testing.T) {
	t.Parallel()
	e := setUp(t, func(c *account.Config) { c.Captcha = &riddle{} })
	e.addUser(t, goodPassword, "ola@example.com")
	in := &account.Captchas{}
	o := from(1)
	o.Captchas = in
	for range 5 {
		e.login(t, "ola@example.com", "not the password", o)
	}
	if _, ok := challengeOf(e.login(t, "ola@example.com", goodPassword, from(2))); !ok {
		t.Error("the right password went in without an answer")
	}
	in.Asked, in.Answer, in.Next = in.Next, in.Next.State, account.Challenge{}
	if err := e.login(t, "ola@example.com", goodPassword, o); err != nil || !in.Next.IsZero() {
		t.Errorf("%v, next %+v", err, in.Next)
	}
	if n := e.noticed(account.NoticeCaptchaAsked); n != 1 {
		t.Errorf("%d notices", n)
	}
}

// CaptchaWhen sees each budget that is told, never the one of the whole account.
func TestCaptchaWhen(t *testing.T) {
	t.Parallel()
	var cases []account.CaptchaCase
	e := setUp(t, func(c *account.Config) {
		c.Captcha = &riddle{}
		c.CaptchaWhen = func(c account.CaptchaCase) bool {
			cases = append(cases, c)
			return c.Limit == account.LimitSendAddress && c.Used > 1
		}
	})
	e.addUser(t, goodPassword, "ola@example.com", "40612345")
	seen := func() string {
		var out []string
		for _, c := range cases {
			if c.ClientID != clientA.ID || c.Address != from(1).Address {
				t.Errorf("%+v", c)
			}
			out = append(out, fmt.Sprintf("%s %d/%d", c.Limit, c.Used, c.Of))
		}
		cases = nil
		return strings.Join(out, ", ")
	}
	e.login(t, "ola@example.com", "wrong password", from(1))
	if got, want := seen(), "passwordAddress 1/100, passwordAccount 1/10"; got != want {
		t.Errorf("password: %s, want %s", got, want)
	}
	e.login(t, "40612345", "wrong password", from(1)) // the account's second, the credential's first
	if got, want := seen(), "passwordAddress 2/100, passwordAccount 1/10"; got != want {
		t.Errorf("password: %s, want %s", got, want)
	}
	if err := e.send(t, "ola@example.com", from(1)); err != nil {
		t.Error(err)
	}
	if got := seen(); !strings.Contains(got, "sendAddress 1/20") || !strings.Contains(got, "sendOverall 1/50000") {
		t.Errorf("send: %s", got)
	}
	if _, ok := challengeOf(e.send(t, "other@example.com", from(1))); !ok {
		t.Error("CaptchaWhen is not heeded")
	}
}

// A hook that fails, panics or freezes is an outage within 2 seconds: nothing is
// compared, nothing is sent, the observer is told.
func TestCaptchaFailsClosed(t *testing.T) {
	faults := map[string]func(context.Context) error{
		"fails":  func(context.Context) error { return errors.New("no route") },
		"panics": func(context.Context) error { panic("oops") },
		"frozen": func(context.Context) error { time.Sleep(time.Minute); return nil },
	}
	for name, fault := range faults {
		for _, asking := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", asking ", asking), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hook := &riddle{}
					e := setUp(t, func(c *account.Config) {
						c.Captcha = hook
						c.CaptchaWhen = func(account.CaptchaCase) bool { return true }
					})
					e.addUser(t, goodPassword, "ola@example.com")
					o := from(1)
					o.Captchas = &account.Captchas{}
					if asking {
						hook.ask = fault
					} else {
						hook.check = fault
						c, ok := challengeOf(e.login(t, "ola@example.com", goodPassword, o))
						if !ok {
							t.Fatal("not asked")
						}
						o.Captchas.Asked, o.Captchas.Answer = c.Challenge, c.Challenge.State
					}
					hashed, start := e.PoolStats().Hashed, time.Now()
					for which, err := range map[string]error{
						"password": e.login(t, "ola@example.com", goodPassword, o),
						"send":     e.send(t, "ola@example.com", o),
					} {
						if _, ok := challengeOf(err); ok || err == nil || errors.Is(err, account.ErrWrong) {
							t.Errorf("%s: %v", which, err)
						}
					}
					if took := time.Since(start); took > 4*time.Second {
						t.Errorf("two attempts took %v", took)
					}
					if e.PoolStats().Hashed != hashed || len(e.outbox.List()) != 0 {
						t.Error("something was compared or sent")
					}
					if n := e.noticed(account.NoticeCaptchaFailed); n != 2 {
						t.Errorf("%d notices", n)
					}
					time.Sleep(3 * time.Minute) // until the frozen ones are over
				})
			})
		}
	}
}

// A hook whose challenge can not be shown is at fault, not the reader.
func TestCaptchaChecksChallenges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]account.Challenge{
		"nothing":            {},
		"no field":           {Widget: &account.Widget{Script: "https://captcha.example/api.js"}},
		"plain http":         {Widget: &account.Widget{Script: "http://captcha.example/api.js", Field: "x"}},
		"another's server":   {Widget: &account.Widget{Script: "//captcha.example/api.js", Field: "x"}},
		"script of a script": {Widget: &account.Widget{Script: "javascript:alert(1)", Field: "x"}},
	} {
		e := setUp(t, func(conf *account.Config) {
			conf.Captcha, conf.CaptchaWhen = fixed(c), func(account.CaptchaCase) bool { return true }
		})
		err := e.login(t, "ola@example.com", goodPassword, from(1))
		if _, ok := challengeOf(err); ok || err == nil || errors.Is(err, account.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixed asks one thing and takes no answer.
type fixed account.Challenge

func (f fixed) Ask(context.Context, account.Asker) (account.Challenge, error) {
	return account.Challenge(f), nil
}

func (fixed) Solved(context.Context, account.Asker, account.Challenge, string) (bool, error) {
	return false, nil
}

// solve does what the page's script does.
func solve(task string) string {
	f := strings.Split(task, ":")
	zeros, _ := strconv.Atoi(f[0])
	parts, _ := strconv.Atoi(f[1])
	var numbers []string
	for part := range parts {
		for n := 0; ; n++ {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d:%d", f[2], part, n))
			if bits.LeadingZeros64(uint64(sum[0])<<56|uint64(sum[1])<<48|uint64(sum[2])<<40|uint64(sum[3])<<32) >= zeros {
				numbers = append(numbers, strconv.Itoa(n))
				break
			}
		}
	}
	return strings.Join(numbers, ",")
}

func TestPuzzle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counters := memstore.New()
		p, err := account.NewPuzzle(account.PuzzleConfig{Counters: counters, Bits: 6})
		if err != nil {
			t.Fatal(err)
		}
		asker := account.Asker{Address: from(1).Address}
		ask := func() account.Challenge {
			c, err := p.Ask(t.Context(), asker)
			if err != nil || c.Wait != 15 {
				t.Fatalf("%+v, %v", c, err)
			}
			c.AskedAt = time.Now()
			return c
		}
		check := func(what string, c account.Challenge, answer string, want bool) {
			t.Helper()
			if ok, err := p.Solved(t.Context(), asker, c, answer); ok != want || err != nil {
				t.Errorf("%s: %v, %v; want %v", what, ok, err, want)
			}
		}
		c := ask()
		right := solve(c.Task)
		check("the solution", c, right, true)
		check("another's solution", ask(), right, false)
		check("a part too few", c, right[:strings.LastIndex(right, ",")], false)
		check("a part too many", c, right+",1", false)
		check("no number", c, strings.Replace(right, ",", ",+", 1), false)
		check("endless", c, right+strings.Repeat("0", 200), false)
		check("a task of nobody", account.Challenge{}, right, false)
		check("only commas", c, ",,,,,,,", false)
		check("not waited", c, "", false)
		time.Sleep(14 * time.Second)
		check("almost waited", c, "", false)
		time.Sleep(time.Second)
		check("waited", c, "", true)
		check("the next one at that address", c, "", false)
		time.Sleep(15 * time.Second)
		check("the next one, later", c, "", true)
		asker.Address = from(2).Address
		check("at another address", c, "", true)

		for name, bad := range map[string]account.PuzzleConfig{
			"no counters": {}, "bits": {Counters: counters, Bits: 25}, "negative bits": {Counters: counters, Bits: -1},
			"wait": {Counters: counters, Wait: time.Millisecond}, "long wait": {Counters: counters, Wait: time.Hour},
		} {
			if _, err := account.NewPuzzle(bad); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
	})
}

func FuzzPuzzleAnswer(f *testing.F) {
	p, err := account.NewPuzzle(account.PuzzleConfig{Counters: memstore.New(), Bits: 4})
	if err != nil {
		f.Fatal(err)
	}
	c := account.Challenge{Task: "4:8:SEED"}
	right := solve(c.Task)
	f.Add(right)
	f.Add(right + ",")
	f.Add("1,2,3,4,5,6,7,8")
	f.Fuzz(func(t *testing.T, answer string) {
		ok, err := p.Solved(t.Context(), account.Asker{}, c, answer)
		if err != nil || ok && strings.Trim(answer, "0123456789,") != "" {
			t.Errorf("%q: %v, %v", answer, ok, err)
		}
	})
}
