package flows

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/flows/order"
)

// Fulfillment is the flow of fulfillmentUrl (ConnectID: "URL: fulfillment"): a
// user who is logged in pays for orders that a client has placed. What needs no
// provider ends at once.
var Fulfillment = New("fulfillment",
	Compute("checkSessionState", checkPayer, ProgrammaticLogin, Continue),
	simpleAuthentication(),
	Compute("checkOrderState", checkOrder, Continue),
	Compute("startSessionState", startSessionOnce, Continue),
	NewSequence("paymentSequence",
		Compute("startPaymentState", startPayment,
			PaymentInit, PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentWait, PaymentUnknown, LoginAgain),
		payment(),
		paymentWait(),
		reauthentication(),
		On(PaymentInit, "paymentState"),
		On(PaymentWait, "paymentWaitSequence"),
		On(LoginAgain, "reauthenticationSequence"),
		On(Confirmed, "paymentState"),
		Out(PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentUnknown),
	),
	NewSequence("outcomeSequence",
		Compute("outcomeState", tellOutcome, PaymentAccepted, PaymentFailed, PaymentCancelled, PaymentUnknown),
		Return("acceptedState"),
		Return("failedState"),
		Return("cancelledState"),
		Return("unknownState"),
		On(PaymentAccepted, "acceptedState"),
		On(PaymentFailed, "failedState"),
		On(PaymentCancelled, "cancelledState"),
		On(PaymentUnknown, "unknownState"),
	),
	newPassword(),
	Fail("leaveState", AccessDenied),
	On(ProgrammaticLogin, "checkOrderState"),
	On(ChoosePassword, "newPasswordState"),
	On(SetPassword, "checkOrderState"),
	On(ProveAgain, "simpleAuthenticationSequence"),
	On(StartLogin, "checkSessionState"),
	On(NavigateAway, "leaveState"),
	Again("outcomeState"),
)

// FulfillmentStatus returns what the returnUrl is told of an end of [Fulfillment]
// (ConnectID: fulfillmentStatus).
func FulfillmentStatus(e End) order.Outcome {
	switch e.State {
	case "acceptedState":
		return order.Success
	case "failedState":
		return order.Error
	case "unknownState":
		return order.Uncertain
	}
	return order.Cancel
}

// checkPayer is checkSession, and notes who is logged in.
func checkPayer(ctx context.Context, r *Run) (Event, error) {
	e, err := checkSession(ctx, r)
	if err != nil || e != ProgrammaticLogin {
		return e, err
	}
	user, ok, err := r.SessionUser(ctx)
	if err != nil || !ok {
		return Continue, err
	}
	r.Data.UserID, r.Data.Epoch, r.Data.Method = user.ID, user.Epoch, ""
	return ProgrammaticLogin, nil
}

// checkOrder checks whose the orders are, before anything is done for whom has
// logged in.
func checkOrder(ctx context.Context, r *Run) (Event, error) {
	_, err := r.Orders.Check(ctx, r.checkout())
	return Continue, noOrder(err)
}

// startPayment decides what is left to do.
func startPayment(ctx context.Context, r *Run) (Event, error) {
	s, err := stand(ctx, r.Orders, r.checkout())
	switch {
	case err != nil:
		return "", err
	case s.outcome == order.Success: // and hers, if it was nobody's
		due, err := r.Orders.Pay(ctx, r.checkout())
		if err != nil {
			return "", noOrder(err)
		}
		return r.paid(due.Outcome), nil
	case s.taking, s.outcome == order.Uncertain && somePaid(s.orders):
		return r.paid(s.outcome), nil
	case r.isRemembered():
		return LoginAgain, nil
	}
	return PaymentInit, nil
}

// somePaid reports whether a part of the orders is paid.
func somePaid(all []order.Order) bool {
	for _, o := range all {
		if outcomeOf(o) == order.Success {
			return true
		}
	}
	return false
}

// tellOutcome ends the run as its payment has ended. A run that has ended before
// only renews the session that it has started.
func tellOutcome(ctx context.Context, r *Run) (Event, error) {
	if r.again && r.Data.Method != "" {
		if _, err := startSession(ctx, r); err != nil {
			return "", err
		}
	}
	return r.paid(r.Request.told(r.Data.Paying.Outcome)), nil
}

// told is what a client is told of an outcome. It has a word for what nobody knows
// yet about several orders only; of one it is told that something went wrong, and
// learns the rest from the order's status (ConnectID: fulfillmentStatus).
func (r Request) told(o order.Outcome) order.Outcome {
	switch {
	case o != order.Waiting && o != order.Uncertain:
		return o
	case len(r.OrderIDs) > 1:
		return order.Uncertain
	}
	return order.Error
}

// Outcome says how what a fulfillmentUrl asks for has ended, for a browser whose
// run can not go on: it came back to another browser, or much later. It gives that
// browser nothing but the word.
func (n *Engine) Outcome(ctx context.Context, req Request) (order.Outcome, error) {
	s, err := stand(ctx, n.orders, order.Checkout{OrderIDs: req.OrderIDs, ClientID: req.Client.ID, Lang: req.Lang})
	switch {
	case errors.Is(err, ErrNoOrder), err != nil && (ctx.Err() != nil || len(s.orders) == 0):
		return "", err
	}
	return req.told(s.outcome), nil
}
