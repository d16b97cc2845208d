package pay

import (
	"fmt"
	"strings"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/internal/texts"
)

// sandboxView is what the template shows.
type sandboxView struct {
	sandbox.Page
	Prefix, Version string
	Missing, Outage bool
	Refused         bool // the form did nothing
	Card            sandbox.Card
	Calls           sandbox.Callbacks
	Faults          []sandboxFault
}

type sandboxFault struct{ Field, Text string }

func (s *sandboxPages) view(p sandbox.Page) *sandboxView {
	return &sandboxView{Page: p, Prefix: s.prefix, Version: s.version, Calls: p.Callbacks}
}

// T returns a text in the payer's language.
func (v *sandboxView) T(id texts.ID, args ...any) string { return texts.Get(v.Lang, id, args...) }

// HTMLLang is the language of the page, also of one that is not known.
func (v *sandboxView) HTMLLang() string { return texts.Match(v.Lang) }

// Money returns an amount in the payment's currency.
func (v *sandboxView) Money(amount int64) string {
	return sandboxMoney(v.HTMLLang(), amount, v.Currency)
}

// Framed reports whether the page is shown within another.
func (v *sandboxView) Framed() bool { return v.Flow == order.Seamless }

// FrameOrigins are the origins that the page around may have.
func (v *sandboxView) FrameOrigins() string { return strings.Join(v.Origins, " ") }

// Told is the event that the page around is told of; empty for none.
func (v *sandboxView) Told() string {
	switch {
	case !v.Framed() || v.Step != sandbox.Over || !v.Leave:
		return ""
	case v.State == order.Authorized || v.State == order.Captured:
		return "success"
	case v.State == order.Cancelled:
		return "cancel"
	}
	return "failure"
}

// Stays reports whether the payer was left here on purpose.
func (v *sandboxView) Stays() bool { return v.Step == sandbox.Over && !v.Leave }

// Heading is what has become of the payment.
func (v *sandboxView) Heading() string {
	switch {
	case v.Missing:
		return v.T("sandbox.unknown.heading")
	case v.Outage:
		return v.T("sandbox.outage.heading")
	}
	switch v.Step {
	case sandbox.TypeCard:
		return v.T("sandbox.heading")
	case sandbox.Confirm:
		return v.T("sandbox.confirm.heading")
	case sandbox.Wait:
		return v.T("sandbox.wait.heading")
	}
	switch v.State {
	case order.Authorized, order.Captured:
		return v.T("sandbox.paid.heading")
	case order.Cancelled:
		return v.T("sandbox.cancelled.heading")
	case order.Released:
		return v.T("sandbox.released.heading")
	case order.Refunded:
		return v.T("sandbox.refunded.heading")
	}
	return v.T("sandbox.failed.heading")
}

// Lede is the sentence below it.
func (v *sandboxView) Lede() string {
	switch {
	case v.Missing:
		return v.T("sandbox.unknown.text")
	case v.Outage:
		return v.T("sandbox.outage.text")
	}
	amount := v.Money(v.Amount)
	switch v.Step {
	case sandbox.TypeCard:
		return ""
	case sandbox.Confirm:
		return v.T("sandbox.confirm.intro", amount, v.Shop)
	case sandbox.Wait:
		return v.T("sandbox.wait.text")
	}
	switch v.State {
	case order.Authorized, order.Captured:
		return v.T("sandbox.paid.text", amount, v.Shop)
	case order.Cancelled:
		return v.T("sandbox.cancelled.text")
	case order.Released:
		return v.T("sandbox.released.text", amount)
	case order.Refunded:
		return v.T("sandbox.refunded.text", v.Shop, amount)
	}
	switch v.Reason {
	case sandbox.ReasonFunds:
		return v.T("sandbox.failed.funds")
	case sandbox.ReasonUnconfirmed:
		return v.T("sandbox.failed.unconfirmed")
	case sandbox.ReasonTimeout:
		return v.T("sandbox.failed.timeout")
	}
	return v.T("sandbox.failed.declined")
}

// Title is that of the browser's tab.
func (v *sandboxView) Title() string {
	if v.Shop == "" {
		return v.Heading()
	}
	return v.T("page.title", v.Heading(), v.T("sandbox.title", v.Shop))
}

// Good and Bad say which mark stands at the heading.
func (v *sandboxView) Good() bool {
	return v.Step == sandbox.Over && (v.State == order.Authorized || v.State == order.Captured)
}

// Bad is the opposite of Good; a page may be neither.
func (v *sandboxView) Bad() bool {
	return v.Missing || v.Outage || v.Step == sandbox.Over && v.State == order.Failed
}

// TestCard is a card of the list, and what it does.
type sandboxCard struct {
	sandbox.TestCard
	Text string
}

// TestCards are the documented cards.
func (v *sandboxView) TestCards() (list []sandboxCard) {
	does := map[sandbox.Outcome]texts.ID{
		sandbox.Approved: "sandbox.card.approved", sandbox.Declined: "sandbox.card.declined", sandbox.InsufficientFunds: "sandbox.card.funds",
		sandbox.Challenge: "sandbox.card.challenge", sandbox.Slow: "sandbox.card.slow", sandbox.NeverReturns: "sandbox.card.stays",
		sandbox.NoAnswer: "sandbox.card.timeout", sandbox.RenewalDeclined: "sandbox.card.renewal",
	}
	for _, c := range sandbox.Cards() {
		if c.Outcome == sandbox.RenewalDeclined && !v.Recurring {
			continue
		}
		list = append(list, sandboxCard{c, v.T(does[c.Outcome])})
	}
	return list
}

// CallChoices are the ways in which the shop is told.
func (v *sandboxView) CallChoices() []sandboxChoice {
	list := []sandboxChoice{
		{string(sandbox.CallAtOnce), v.T("sandbox.calls.now"), false}, {string(sandbox.CallLate), v.T("sandbox.calls.late"), false},
		{string(sandbox.CallTwice), v.T("sandbox.calls.twice"), false}, {string(sandbox.CallNever), v.T("sandbox.calls.never"), false},
	}
	for i := range list {
		list[i].Chosen = list[i].Value == string(v.Calls)
	}
	return list
}

type sandboxChoice struct {
	Value, Text string
	Chosen      bool
}

func (v *sandboxView) addFaults(e *sandbox.CardError) {
	for _, f := range []struct {
		field string
		fault sandbox.CardFault
		texts map[sandbox.CardFault]texts.ID
	}{
		{"number", e.Number, map[sandbox.CardFault]texts.ID{
			sandbox.Missing: "sandbox.fault.number.missing", sandbox.Misspelt: "sandbox.fault.number.misspelt", sandbox.NoTestCard: "sandbox.fault.number.noTestCard",
		}},
		{"expiry", e.Expiry, map[sandbox.CardFault]texts.ID{
			sandbox.Missing: "sandbox.fault.expiry.missing", sandbox.Misunderstood: "sandbox.fault.expiry.misunderstood", sandbox.Expired: "sandbox.fault.expiry.expired",
		}},
		{"cvc", e.CVC, map[sandbox.CardFault]texts.ID{
			sandbox.Missing: "sandbox.fault.cvc.missing", sandbox.Misunderstood: "sandbox.fault.cvc.misunderstood",
		}},
	} {
		if f.fault != sandbox.NoFault {
			v.Faults = append(v.Faults, sandboxFault{f.field, v.T(f.texts[f.fault])})
		}
	}
}

// Fault returns what is wrong with a field; empty for nothing.
func (v *sandboxView) Fault(field string) string {
	for _, f := range v.Faults {
		if f.Field == field {
			return f.Text
		}
	}
	return ""
}

// sandboxMoney writes minor units of a currency as the language does: the krone and
// the euro of its own countries by their signs, other currencies by their codes.
func sandboxMoney(lang string, amount int64, code string) string {
	scale := 2
	if unit, err := currency.ParseISO(code); err == nil {
		scale, _ = currency.Standard.Rounding(unit)
	}
	one := int64(1)
	for range scale {
		one *= 10
	}
	sign := ""
	if amount < 0 {
		sign, amount = "−", -amount
	}
	printer, mark := message.NewPrinter(language.Make(lang)), ","
	if lang == "en" {
		mark = "."
	}
	number := sign + printer.Sprintf("%d", amount/one)
	if scale > 0 {
		number += mark + fmt.Sprintf("%0*d", scale, amount%one)
	}
	const space = "\u00a0"
	switch lang + " " + code {
	case "nb NOK", "nn NOK", "sv SEK":
		return number + space + "kr"
	case "da DKK":
		return number + space + "kr."
	}
	switch {
	case lang == "en":
		return code + space + number
	case code == "EUR":
		return number + space + "€"
	}
	return number + space + code
}
