package flows

// Event is what a state ends in. The names are those of the ConnectID documents
// where they have one.
type Event string

// The documented events ("About the URLs"), with their meaning.
const (
	StartApplication     Event = "startApplicationEvent"     // a flow starts
	ProgrammaticLogin    Event = "programmaticLoginEvent"    // already logged in, or remember-me: no question asked
	StartRegistration    Event = "startRegistrationEvent"    // startRegistrationLink clicked in startLoginState
	SendVerificationCode Event = "sendVerificationCodeEvent" // the user asks for a code
	Verification         Event = "verificationEvent"         // verified by code
	VerifyCredentials    Event = "verifyCredentialsEvent"    // verified by password
	SetPassword          Event = "setPasswordEvent"          // password saved
	NavigateAway         Event = "navigateAwayEvent"         // left without logging in

	SendEmailToCustomerService Event = "sendEmailToCustomerServiceEvent" // something failed and the user clicked sendEmailToCustomerServiceButton
	Continue                   Event = "continueEvent"                   // the plain "next"

	SearchForSubscriber     Event = "searchForSubscriberEvent"     // a credential or number matched against customers
	PrepareCreateSubscriber Event = "prepareCreateSubscriberEvent" // wants a new subscription
	CreateSubscriber        Event = "createSubscriberEvent"        // got a new subscription
)

// Events in the style of the documents, for what those leave open.
const (
	AssumeNewUser     Event = "assumeNewUserEvent"     // the code is asked for first
	SubmitCredential  Event = "submitCredentialEvent"  // credentialSubmit: the page submits itself
	StartLogin        Event = "startLoginEvent"        // "I have a password"
	ChangeCredential  Event = "changeCredentialEvent"  // another address than the one the code went to
	NewUser           Event = "newUserEvent"           // the verified credential has no account
	ForgotPassword    Event = "forgotPasswordEvent"    // "forgot password" in startLoginState
	ProveAgain        Event = "proveAgainEvent"        // what she proved does not count any more
	SessionLost       Event = "sessionLostEvent"       // logged out, or as somebody else, while away
	ChoosePassword    Event = "choosePasswordEvent"    // verified for the sake of a new password
	AlreadyTied       Event = "alreadyTiedEvent"       // the user has her customer or membership number
	OtherSubscriber   Event = "otherSubscriberEvent"   // "none of these": another number is searched for
	TieSubscriber     Event = "tieSubscriberEvent"     // the user was tied to the customer or member
	SubscriberTaken   Event = "subscriberTakenEvent"   // the number can not become hers here
	SubscriberPending Event = "subscriberPendingEvent" // it is paid, and the number comes later
	ShowReceipt       Event = "receiptEvent"           // something was paid for

	LoginAgain      Event = "loginAgainEvent"    // not logged in any more, or too long ago
	AddCredential   Event = "addCredentialEvent" // the credential is the user's
	MergeAccounts   Event = "mergeEvent"         // two accounts have become one
	PlanChanged     Event = "planChangedEvent"   // what was shown is not what would happen
	RefuseMerge     Event = "refuseMergeEvent"   // two accounts can not become one by themselves
	UnmergeAccounts Event = "unmergeEvent"       // a merge was undone
	UndoOver        Event = "undoOverEvent"      // there is nothing to undo
)

// Events of the company directories.
const (
	DirectoryVerified Event = "directoryVerifiedEvent" // the directory has proven who the user is
	DirectoryRefused  Event = "directoryRefusedEvent"  // what it said proves nothing
	DirectoryFailed   Event = "directoryFailedEvent"   // it could not be asked
	AlreadyRegistered Event = "alreadyRegisteredEvent" // the user is registered with it, or the person there is taken
)
