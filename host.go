package connectid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/middleware"
)

// User is who is logged in, as the host's own handlers see her.
type User = middleware.User

// UserFrom returns the user whom [Kit.RequireLogin] or [Kit.RequireFresh] let
// through; false when there is none.
func UserFrom(ctx context.Context) (User, bool) { return middleware.UserFrom(ctx) }

// RequireLogin lets only users who are logged in through to one of the host's own
// handlers, which finds the user with [UserFrom]. Who is not logged in is sent to
// the login page and comes back to where she was; a remembered user is not asked.
// A post or a call by a script gets 401 with the address of the login page, and
// everybody 503 when a store can not be asked.
//
// It panics when Config.HostClient is missing or HostErrorURL is no URL.
func (k *Kit) RequireLogin(next http.Handler) http.Handler { return k.require(0).Handler(next) }

// RequireFresh does what [Kit.RequireLogin] does, and sends a user who has not
// given a password or code for max, or was remembered, to prove again that she is
// who she is. She can not come back as somebody else from there, but through a
// login of her own choice; her session gets a new handle.
//
// It panics when max is shorter than 10 seconds, too.
func (k *Kit) RequireFresh(max time.Duration) func(http.Handler) http.Handler {
	if max <= 0 {
		panic(fmt.Sprintf("connectid: RequireFresh(%v): want 10 seconds or more", max))
	}
	return k.require(max).Handler
}

func (k *Kit) require(max time.Duration) *middleware.Login {
	c := k.host
	c.MaxAge = max
	l, err := middleware.NewLogin(c)
	if err != nil {
		if c.ClientID == "" {
			err = errors.New("missing HostClient: give the clientId as which users of your own handlers log in")
		}
		panic(fmt.Sprintf("connectid: %v", err)) // a mistake in the source, seen at start-up
	}
	return l
}
