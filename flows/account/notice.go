package account

import "github.com/connectid-kit/connectid/store"

// NoticeKind says what a [Notice] is about.
type NoticeKind string

// The kinds of notice.
const (
	NoticePasswordWrong   NoticeKind = "passwordWrong"
	NoticeCodeWrong       NoticeKind = "codeWrong"
	NoticeLimited         NoticeKind = "limited" // Limit says which
	NoticeBusy            NoticeKind = "busy"    // the password pool shed an attempt
	NoticeCodeSent        NoticeKind = "codeSent"
	NoticeSendFailed      NoticeKind = "sendFailed"
	NoticeUserCreated     NoticeKind = "userCreated"
	NoticePasswordChanged NoticeKind = "passwordChanged"
	NoticeRememberTheft   NoticeKind = "rememberTheft"
	NoticeTakeover        NoticeKind = "takeover" // a pre-registered credential was proven by its owner
	NoticeBlocked         NoticeKind = "blocked"
	NoticeUnblocked       NoticeKind = "unblocked"
)

// Notice tells an observer what happened. It holds no secret, and no whole
// credential.
type Notice struct {
	Kind       NoticeKind
	UserID     string // empty when there is no such user
	ClientID   string
	Credential string // shortened; see [Credential.Masked]
	CredKind   store.CredentialKind
	Limit      Limit
	Err        error // of NoticeSendFailed
}
