package flows

// Login is the flow of loginUrl, and of the authorization endpoint for a user
// who has to log in (ConnectID: "GUI: loginUrl", "Authorization endpoint").
var Login = authentication("login")

// CreateUser is the flow of createUserUrl. It differs from [Login] in its first
// question (ConnectID: "GUI: createUserUrl").
var CreateUser = authentication("createUser")

func authentication(name string) *Flow {
	return New(name,
		Compute("checkSessionState", checkSession, ProgrammaticLogin, Continue),
		simpleAuthentication(),
		Compute("startSessionState", startSession, Continue),
		Return("returnState"),
		newPassword(),
		Fail("leaveState", AccessDenied),
		On(ProgrammaticLogin, "returnState"), // every event that is not named selects the next step
		On(ChoosePassword, "newPasswordState"),
		On(SetPassword, "startSessionState"),
		On(ProveAgain, "simpleAuthenticationSequence"),
		On(NavigateAway, "leaveState"),
		Again("startSessionState"),
	)
}

// simpleAuthentication is the documented sequence that finds out who the user
// is: by password, or by a code with which a new user gets an account too. It
// lets out the event in which she was recognised.
func simpleAuthentication() *Sequence { return simpleAuthenticationWith("registerSequence") }

// simpleAuthenticationWith names the part that asks for a credential alone: in
// flows with a registerSequence of their own it has another name.
func simpleAuthenticationWith(register string) *Sequence {
	return NewSequence("simpleAuthenticationSequence",
		Compute("firstQuestionState", firstQuestion, Continue, AssumeNewUser, SubmitCredential),
		Show("startLoginState", submitLogin,
			VerifyCredentials, SendVerificationCode, ForgotPassword, StartRegistration, NavigateAway).
			View(viewCredential).Entry(),
		Show("autoSubmitState", submitGiven, Continue, SendVerificationCode, NavigateAway).
			View(viewCredential).Own(SendVerificationCode),
		NewSequence(register,
			Show("startCodeState", submitCredential, SendVerificationCode, StartLogin, NavigateAway).
				View(viewCredential).Entry(),
		),
		NewSequence("verificationSequence",
			Show("verificationState", submitCode,
				Verification, NewUser, ChoosePassword, SendVerificationCode, ChangeCredential, NavigateAway).
				View(viewCode).Own(NewUser, ChoosePassword),
			Show("newUserState", submitNewUser, SetPassword, Continue, ProveAgain, NavigateAway).
				View(viewNewUser).Own(ProveAgain),
			On(NewUser, "newUserState"),
			Out(Verification),
		),
		On(AssumeNewUser, register),
		On(SubmitCredential, "autoSubmitState"),
		On(StartRegistration, register),
		On(ForgotPassword, register),
		On(ChangeCredential, register),
		On(ProveAgain, register),
		On(StartLogin, "startLoginState"),
		On(SendVerificationCode, "verificationSequence"),
		Out(VerifyCredentials, Verification, SetPassword, ChoosePassword),
	)
}

// newPassword is the state that asks for a new password.
func newPassword() *State {
	return Show("newPasswordState", submitNewPassword, SetPassword, ProveAgain, NavigateAway).
		View(viewNewPassword).Own(ProveAgain)
}
