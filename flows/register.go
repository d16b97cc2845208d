package flows

import "github.com/connectid-kit/connectid/store"

// Register is the flow of registerUrl (ConnectID: "URL: register"): the user is
// tied to her customer number in the publisher's customer system, or gets a new
// subscription. She is logged in when it ends well.
var Register = subscription("register", store.CustomerTie, registerSequence(), receipt())

// ActivateMembership is the flow of activateMembershipUrl (ConnectID: "URL:
// activateMembership"): the same with the partner's membership system, in which
// nobody can be made a member.
var ActivateMembership = subscription("activateMembership", store.MembershipTie, membershipSequence())

// tieKinds says to what each of these flows ties a user.
var tieKinds = map[string]store.TieKind{}

func subscription(name string, kind store.TieKind, search *Sequence, then ...Part) *Flow {
	tieKinds[name] = kind
	parts := []Part{
		Compute("checkSubscriberState", checkSubscriber, ProgrammaticLogin, Continue),
		simpleAuthenticationWith("askCredentialSequence"),
		search,
	}
	return New(name, append(append(parts, then...),
		Compute("startSessionState", startSessionOnce, Continue),
		Return("returnState"),
		newPassword(),
		Fail("leaveState", AccessDenied),
		On(ProgrammaticLogin, search.name),
		On(ChoosePassword, "newPasswordState"),
		On(SetPassword, search.name),
		On(ProveAgain, "simpleAuthenticationSequence"),
		On(StartLogin, "checkSubscriberState"),
		On(NavigateAway, "leaveState"),
		Again("startSessionState"),
	)...)
}

// registerSequence is the documented sequence that makes a user a subscriber: by
// a credential that she has proved to own, by her customer number, or by a new
// subscription, which she pays for if it costs something. It lets out the event in
// which she was tied, or will be without her.
func registerSequence() *Sequence {
	return NewSequence("registerSequence",
		Compute("searchByCredentialState", searchByCredential, SearchForSubscriber, OtherSubscriber, AlreadyTied,
			PaymentAccepted, PaymentWait),
		matches(),
		Show("searchSubscriberState", submitSearch,
			SearchForSubscriber, PrepareCreateSubscriber, SendEmailToCustomerService, NavigateAway).
			View(viewSearch).Guard(sameUser),
		tied(),
		Show("newSubscriberState", submitNewSubscriber, CreateSubscriber, OtherSubscriber, AlreadyTied,
			PaymentInit, PaymentAccepted, PaymentWait, LoginAgain, NavigateAway).
			View(viewNewSubscriber).Guard(sameUser).Own(AlreadyTied, PaymentInit, PaymentAccepted, PaymentWait, LoginAgain),
		payment(PaymentOutage),
		paymentWait(),
		reauthentication(),
		Compute("takeSubscriptionState", takeSubscription, CreateSubscriber, SubscriberPending),
		taken(), service(),
		On(PrepareCreateSubscriber, "newSubscriberState"),
		On(CreateSubscriber, "tieSubscriberState"),
		On(Continue, "tieSubscriberState"),
		On(OtherSubscriber, "searchSubscriberState"),
		On(SubscriberTaken, "subscriberTakenState"),
		On(SendEmailToCustomerService, "customerServiceState"),
		On(PaymentInit, "paymentState"),
		On(PaymentAccepted, "takeSubscriptionState"),
		On(PaymentFailed, "newSubscriberState"),
		On(PaymentCancelled, "newSubscriberState"),
		On(PaymentOutage, "newSubscriberState"),
		On(PaymentWait, "paymentWaitSequence"),
		On(LoginAgain, "reauthenticationSequence"),
		On(Confirmed, "paymentState"),
		Out(AlreadyTied, TieSubscriber, SubscriberPending, PaymentUnknown),
	)
}

// receipt is the sequence that shows what was paid for in the run.
func receipt() *Sequence {
	return NewSequence("receiptSequence",
		Compute("checkReceiptState", checkReceipt, ShowReceipt, Continue),
		Show("orderReceiptState", submitAsIs, Continue, NavigateAway).Own(NavigateAway).Guard(sameUser).Load(loadOrderReceipt),
		Out(Continue),
	)
}

func membershipSequence() *Sequence {
	return NewSequence("membershipSequence",
		Compute("searchByCredentialState", searchByCredential, SearchForSubscriber, OtherSubscriber, AlreadyTied),
		matches(),
		Show("searchSubscriberState", submitSearch, SearchForSubscriber, SendEmailToCustomerService, NavigateAway).
			View(viewSearch).Guard(sameUser),
		tied(), taken(), service(),
		On(Continue, "tieSubscriberState"),
		On(OtherSubscriber, "searchSubscriberState"),
		On(SubscriberTaken, "subscriberTakenState"),
		On(SendEmailToCustomerService, "customerServiceState"),
		Out(AlreadyTied, TieSubscriber),
	)
}

// The states that both sequences have.

func matches() *State {
	return Show("subscriberMatchState", submitMatch, Continue, OtherSubscriber, NavigateAway).
		View(viewMatches).Guard(sameUser)
}

func tied() *State {
	return Compute("tieSubscriberState", tieSubscriber, TieSubscriber, SubscriberTaken)
}

func taken() *State {
	return Show("subscriberTakenState", submitTaken, SendEmailToCustomerService, OtherSubscriber, NavigateAway).
		View(viewTaken).Guard(sameUser)
}

func service() *State {
	return Show("customerServiceState", leaveOrSearch, NavigateAway, OtherSubscriber).
		View(viewTaken).Guard(sameUser)
}
