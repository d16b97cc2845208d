package theme

import (
	"slices"

	"github.com/connectid-kit/connectid/internal/texts"
)

// The pages of orders and their payments.
var (
	paymentWaitState = State{
		Name:    "paymentWaitState",
		Events:  []string{"continueEvent", "paymentInitEvent", "navigateAwayEvent"},
		Flags:   []string{"total", "vat"},
		Args:    []string{"order", "total", "vat"},
		Lists:   []string{"receipt"},
		Faults:  formFaults,
		Notices: []texts.ID{"notice.payment.waiting"},
	}
	orderReceiptState = State{
		Name:   "orderReceiptState",
		Events: []string{"continueEvent"},
		Flags:  []string{"total", "vat", "pending", "waiting"},
		Args:   []string{"order", "total", "vat"},
		Lists:  []string{"receipt"},
		Faults: formFaults,
	}
	orderLinkState = State{
		Name:   "orderLinkState",
		Fields: []string{"newPassword", "acceptTerms"},
		Events: []string{"orderLinkEvent", "navigateAwayEvent"},
		Flags:  []string{"hasPassword", "passwordOptional", "agreed", "acceptTerms"},
		Values: []string{"credential"},
		Args:   []string{"destination"},
		Faults: slices.Concat([]Fault{{Field: "newPassword", Text: "fault.password.choose"}}, passwordFaults,
			[]Fault{{Field: "acceptTerms", Text: "fault.terms"}}, formFaults),
	}
	orderLinkOverState = State{Name: "orderLinkOverState", Events: []string{"navigateAwayEvent"}}
)
