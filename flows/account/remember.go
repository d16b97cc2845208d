package account

import (
	"context"

	"github.com/connectid-kit/connectid/store"
)

// RememberStart asks to remember a user at a client.
type RememberStart struct {
	UserID   string
	ClientID string
	Agent    string
	Old      string // the browser's present cookie of this client; its series ends
}

// Remember starts a series and returns the value of its cookie: 48 characters.
func (s *Service) Remember(ctx context.Context, r RememberStart) (cookie string, err error) {
	panic("unwritten")
}

// Recalled is a user who came back by remember-me.
type Recalled struct {
	User   store.User
	Cookie string // the value to set; the same as presented when nothing rotated
	Series store.Series
}

// Recall presents a remember-me cookie of the client. All callers that present
// the same token at once get the same answer, and one successor is stored.
//
// The predecessor of the current token still passes until its successor has
// been presented, plus 30 seconds (two tabs, an aborted navigation). Any older
// token ends the series: [ErrTheft]. [store.ErrNotFound] for a cookie that is
// damaged, another client's, ended or expired, or whose user is gone or
// blocked; the cookie can be removed then.
func (s *Service) Recall(ctx context.Context, clientID, cookie string, o Origin) (Recalled, error) {
	panic("unwritten")
}

// Peek returns whose cookie it is without presenting it: nothing is written.
// [store.ErrNotFound] when [Service.Recall] would not let it pass.
func (s *Service) Peek(ctx context.Context, clientID, cookie string) (userID string, err error) {
	panic("unwritten")
}

// Forget ends the series of the client's cookie; no error when there is none.
func (s *Service) Forget(ctx context.Context, clientID, cookie string) error { panic("unwritten") }
