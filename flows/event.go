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
	Continue             Event = "continueEvent"             // the plain "next"
)

// Events in the style of the documents, for what those leave open.
const (
	AssumeNewUser    Event = "assumeNewUserEvent"    // the code is asked for first
	SubmitCredential Event = "submitCredentialEvent" // credentialSubmit: the page submits itself
	StartLogin       Event = "startLoginEvent"       // "I have a password"
	ChangeCredential Event = "changeCredentialEvent" // another address than the one the code went to
	NewUser          Event = "newUserEvent"          // the verified credential has no account
	ForgotPassword   Event = "forgotPasswordEvent"   // "forgot password" in startLoginState
	ProveAgain       Event = "proveAgainEvent"       // what she proved does not count any more
	ChoosePassword   Event = "choosePasswordEvent"   // verified for the sake of a new password
)
