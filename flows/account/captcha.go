package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Captcha makes programs work, or keeps them out, once a budget runs low. It is
// asked before a password or a code is compared and before a code is sent, for
// existing and unknown accounts alike. Implementations are safe for concurrent
// use; [NewPuzzle] returns one that needs nobody else.
//
// Each call has 2 seconds. An error is an outage: nothing is compared or sent.
type Captcha interface {
	// Ask returns a new challenge.
	Ask(ctx context.Context, a Asker) (Challenge, error)
	// Solved reports whether the answer is the one to the challenge, which is
	// used up by this call. It is empty when nothing was entered. What is not
	// right leads to a new challenge and counts against no budget, so an answer
	// must not be easily guessed.
	Solved(ctx context.Context, a Asker, c Challenge, answer string) (bool, error)
}

// Asker is who has to solve a challenge.
type Asker struct {
	ClientID string
	Lang     string // of the page; may be empty
	Address  netip.Addr
}

// Challenge is what a page asks. Exactly one of Question, Task and Widget is set.
// It is kept with the reader's run, on the server.
type Challenge struct {
	State    string    `json:"state,omitempty"`    // what Solved needs to know; never shown
	Question string    `json:"question,omitempty"` // in the asker's language, answered in a text field
	Task     string    `json:"task,omitempty"`     // for the kit's own script; see [NewPuzzle]
	Wait     int       `json:"wait,omitempty"`     // seconds after which a browser without scripts passes a Task
	Widget   *Widget   `json:"widget,omitempty"`   // of a script that is not the kit's
	AskedAt  time.Time `json:"askedAt"`            // set by the kit
}

// IsZero reports whether c asks nothing.
func (c Challenge) IsZero() bool { return c.Question == "" && c.Task == "" && c.Widget == nil }

// Widget is an element that a script fills, as most services offer it: an empty
// div with a class and a data-sitekey. Readers whose browsers run no scripts can
// not pass it.
type Widget struct {
	Script  string   `json:"script"`            // address of the file: https, or a path on this server
	Sources []string `json:"sources,omitempty"` // origins that its script, frame, style and requests may come from
	Class   string   `json:"class"`
	SiteKey string   `json:"siteKey"`
	Field   string   `json:"field"` // of the form, in which the script leaves its answer
}

// CaptchaCase is one budget that an attempt draws on, for [Config.CaptchaWhen].
type CaptchaCase struct {
	Limit    Limit
	Used, Of int // attempts in this window, this one included, of how many
	ClientID string
	Address  netip.Addr
}

// HalfUsed is the default of [Config.CaptchaWhen]: half of the budget is used up.
func HalfUsed(c CaptchaCase) bool { return 2*c.Used > c.Of }

// Captchas is the part of an [Origin] by which challenges and answers travel. The
// zero value answers nothing.
type Captchas struct {
	Lang   string
	Asked  Challenge // that the page showed
	Answer string
	// Next is set by the service: the next attempt will be asked for it.
	Next Challenge
}

// ChallengeError says that nothing was done, as a challenge has to be solved
// first. It looks the same whether the account exists or not.
type ChallengeError struct {
	Challenge Challenge
	Wrong     bool // there was one before, and its answer was not right
}

// Error says so.
func (e *ChallengeError) Error() string { return "account: a challenge has to be solved first" }

// The kinds of notice of challenges; Limit says which budget asked.
const (
	NoticeCaptchaAsked  NoticeKind = "captchaAsked"  // an attempt was refused until a challenge is solved
	NoticeCaptchaWrong  NoticeKind = "captchaWrong"  // so was one whose answer was not right
	NoticeCaptchaFailed NoticeKind = "captchaFailed" // so was one because the hook failed; Err says why
)

// captchaTimeout bounds each call of the hook.
const captchaTimeout = 2 * time.Second

// challenge returns nil when the attempt may go on: no budget of it asks for a
// challenge, or the one that the page showed was solved. Else what was spent is
// given back and the error is a [ChallengeError], or an outage.
func (s *Service) challenge(ctx context.Context, spent *spending, about Notice, o Origin) error {
	limit, wanted := s.wantsCaptcha(spent, about.ClientID, o, 0)
	if !wanted {
		return nil
	}
	err := s.tryCaptcha(ctx, limit, about, o)
	if err != nil {
		spent.giveBack(ctx)
	}
	return err
}

func (s *Service) tryCaptcha(ctx context.Context, limit Limit, about Notice, o Origin) error {
	in := o.Captchas
	if in == nil {
		in = &Captchas{}
	}
	about.Limit, about.Kind = limit, NoticeCaptchaFailed
	wrong := !in.Asked.IsZero()
	if wrong {
		ok, err := within(ctx, func(ctx context.Context) (bool, error) {
			return s.captcha.Solved(ctx, asker(about.ClientID, o), in.Asked, in.Answer)
		})
		if err != nil {
			about.Err = err
			s.notify(ctx, about)
			return fmt.Errorf("captcha: %w", err)
		}
		if ok {
			return nil
		}
	}
	next, err := s.ask(ctx, about.ClientID, o)
	if err != nil {
		about.Err = err
		s.notify(ctx, about)
		return err
	}
	about.Kind = NoticeCaptchaAsked
	if wrong {
		about.Kind = NoticeCaptchaWrong
	}
	s.notify(ctx, about)
	return &ChallengeError{Challenge: next, Wrong: wrong}
}

// announce asks for the challenge of the next attempt already, so that the page
// which says that this one was wrong can show it. Without it that attempt is
// asked.
func (s *Service) announce(ctx context.Context, spent *spending, clientID string, o Origin) {
	if o.Captchas == nil {
		return
	}
	if _, wanted := s.wantsCaptcha(spent, clientID, o, 1); wanted {
		if next, err := s.ask(ctx, clientID, o); err == nil {
			o.Captchas.Next = next
		}
	}
}

// wantsCaptcha reports whether a budget asks for a challenge, and which one, at
// that many attempts more. Hidden budgets have no say: they tell of an account.
func (s *Service) wantsCaptcha(spent *spending, clientID string, o Origin, more int) (Limit, bool) {
	if s.captcha == nil {
		return "", false
	}
	for _, u := range spent.used {
		u.Used += more
		u.ClientID, u.Address = clientID, o.Address
		if s.captchaWhen(u) {
			return u.Limit, true
		}
	}
	return "", false
}

func asker(clientID string, o Origin) Asker {
	a := Asker{ClientID: clientID, Address: o.Address}
	if o.Captchas != nil {
		a.Lang = o.Captchas.Lang
	}
	return a
}

// ask returns a new challenge.
func (s *Service) ask(ctx context.Context, clientID string, o Origin) (Challenge, error) {
	c, err := within(ctx, func(ctx context.Context) (Challenge, error) { return s.captcha.Ask(ctx, asker(clientID, o)) })
	if err == nil && c.IsZero() {
		err = errors.New("a challenge that asks nothing")
	}
	if err == nil && c.Widget != nil {
		err = c.Widget.check()
	}
	if err != nil {
		return Challenge{}, fmt.Errorf("captcha: %w", err)
	}
	c.AskedAt = now()
	return c, nil
}

// check returns what keeps the widget from working.
func (w *Widget) check() error {
	own := len(w.Script) > 1 && w.Script[0] == '/' && w.Script[1] != '/' && w.Script[1] != '\\'
	switch {
	case w.Field == "":
		return errors.New("bad widget: no Field")
	case !own && (len(w.Script) < 9 || w.Script[:8] != "https://" || store.TargetOrigin(w.Script) == ""):
		return fmt.Errorf("bad widget: Script %q: want https, or a path on this server", w.Script)
	}
	return nil
}

// within calls f and waits for it no longer than captchaTimeout, even if it does
// not heed its context.
func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	return bounded(ctx, captchaTimeout, f)
}

// bounded calls a hook of the host's and waits for it no longer than that, even
// if it does not heed its context. A panic is an error.
func bounded[T any](ctx context.Context, most time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = errors.New("the hook panics")
			}
			answers <- a
		}()
		a.value, a.err = f(ctx)
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("no answer in time: %w", ctx.Err())
	}
}
