package flows

import (
	"errors"

	"github.com/connectid-kit/connectid/flows/account"
)

// Challenges concern no state: whatever a post does with accounts may have to be
// preceded by one. The page that was posted is shown once more, with the
// challenge on it.

// answerChallenge gives accounts the challenge that the posted page showed and
// its answer. A challenge is shown once: it is used up, whatever the post does.
func (r *Run) answerChallenge() {
	c := account.Captchas{Lang: r.Request.Lang}
	if asked := r.Data.Challenge; asked != nil {
		c.Asked, c.Answer = *asked, r.Form["captcha"]
		if asked.Widget != nil {
			c.Answer = r.Form[asked.Widget.Field]
		}
	}
	r.Data.Challenge = nil
	r.Browser.Origin.Captchas = &c
}

// takeChallenge notes the challenge that accounts ask for: instead of what the
// post wanted, or with the next one.
func (r *Run) takeChallenge(e Event, err error) (Event, error) {
	if asked, ok := errors.AsType[*account.ChallengeError](err); ok {
		r.Data.Challenge = &asked.Challenge
		if asked.Wrong {
			r.Fault("", "fault.captcha.wrong")
		} else {
			r.Fault("", "fault.captcha.asked")
		}
		return Stay, nil
	}
	if next := r.Browser.Origin.Captchas.Next; err == nil && e == Stay && !next.IsZero() {
		r.Data.Challenge = &next
	}
	return e, err
}

// viewChallenge puts the challenge on the page.
func (r *Run) viewChallenge(v *View) {
	c := r.Data.Challenge
	if c == nil {
		return
	}
	v.Flags["captchaTask"] = c.Task != ""
	v.Flags["captchaQuestion"] = c.Question != ""
	v.Args["captchaTask"], v.Args["captchaQuestion"] = c.Task, c.Question
	v.Wait, v.Widget = c.Wait, c.Widget
}
