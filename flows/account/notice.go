package account

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/store"
)

// NoticeKind says what a [Notice] is about.
type NoticeKind string

// The kinds of notice.
const (
	NoticePasswordWrong     NoticeKind = "passwordWrong"
	NoticeCodeWrong         NoticeKind = "codeWrong"
	NoticeLimited           NoticeKind = "limited" // Limit says which
	NoticeBusy              NoticeKind = "busy"    // the password pool shed an attempt
	NoticeCodeSent          NoticeKind = "codeSent"
	NoticeSendFailed        NoticeKind = "sendFailed"
	NoticeOrderLinkSent     NoticeKind = "orderLinkSent" // a client has had a link to an order sent
	NoticeUserCreated       NoticeKind = "userCreated"
	NoticePasswordChanged   NoticeKind = "passwordChanged"
	NoticeRememberTheft     NoticeKind = "rememberTheft"
	NoticeTakeover          NoticeKind = "takeover" // a pre-registered credential was proven by its owner
	NoticeCredentialAdded   NoticeKind = "credentialAdded"
	NoticeMerged            NoticeKind = "merged"    // of the survivor; Other is the absorbed
	NoticeUnmerged          NoticeKind = "unmerged"  // of the survivor; Other is the restored
	NoticeUnsettled         NoticeKind = "unsettled" // what follows a merge is to be tried again: Err
	NoticeCareAsked         NoticeKind = "careAsked" // customer care got a message
	NoticeCredentialRemoved NoticeKind = "credentialRemoved"
	NoticeConsentGiven      NoticeKind = "consentGiven" // the user agreed to what the client asked for
	NoticeDisconnected      NoticeKind = "disconnected" // the user took back what she had allowed the client
	NoticeUserDeleted       NoticeKind = "userDeleted"
	NoticeBlocked           NoticeKind = "blocked"
	NoticeUnblocked         NoticeKind = "unblocked"

	NoticeDirectoryLinked   NoticeKind = "directoryLinked"
	NoticeDirectoryUnlinked NoticeKind = "directoryUnlinked"
	NoticeDirectoryTaken    NoticeKind = "directoryTaken"   // linked already, the user or the person
	NoticeDirectoryRefused  NoticeKind = "directoryRefused" // Err says why, or that the directory could not be asked
	NoticeNumberWrong       NoticeKind = "numberWrong"      // a search for a customer or member that found nobody
	NoticeTied              NoticeKind = "tied"             // to a customer or member
	NoticeCareMail          NoticeKind = "careMail"         // customer care was written to
	NoticePublisherFailed   NoticeKind = "publisherFailed"  // a publisher's system could not be asked; Err says why
)

// Notice tells an observer what happened. It holds no secret, and no whole
// credential.
type Notice struct {
	Kind           NoticeKind
	UserID         string // empty when there is no such user
	Other          string // the other user of NoticeMerged and NoticeUnmerged
	ClientID       string
	Credential     string // shortened; see [Credential.Masked]
	CredentialKind store.CredentialKind
	Limit          Limit  // of NoticeLimited and the NoticeCaptchas
	Directory      string // of the directory notices: the id of its configuration
	Err            error  // of NoticeSendFailed, NoticeDirectoryRefused, NoticePublisherFailed, NoticeUnsettled, NoticeBreachUnchecked and NoticeCaptchaFailed
}

// about returns the notice with the credential, shortened.
func (n Notice) about(c Credential) Notice {
	n.Credential, n.CredentialKind = c.Masked(), c.Kind
	return n
}

// notify tells the observer, and the log what an operator should see.
func (s *Service) notify(ctx context.Context, n Notice) {
	switch n.Kind {
	case NoticeLimited, NoticeBusy, NoticeSendFailed, NoticeRememberTheft, NoticeTakeover, NoticeDirectoryTaken, NoticeDirectoryRefused, NoticeUnsettled,
		NoticeBreachUnchecked, NoticeCaptchaFailed, NoticePublisherFailed:
		s.log.WarnContext(ctx, "account: "+string(n.Kind), "user", n.UserID, "client", n.ClientID,
			"credential", n.Credential, "limit", string(n.Limit), "directory", n.Directory, "err", n.Err)
	}
	if s.observer != nil {
		s.observer(ctx, n)
	}
}

// limited reports a limit that was reached, and returns the error as it is.
func (s *Service) limited(ctx context.Context, err error, u store.User, client store.Client, c Credential) error {
	if l, ok := errors.AsType[*LimitedError](err); ok {
		s.notify(ctx, Notice{Kind: NoticeLimited, UserID: u.ID, ClientID: client.ID, Limit: l.Limit}.about(c))
	}
	return err
}
