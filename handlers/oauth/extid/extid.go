// Package extid is the grant type by which a client exchanges the extidCode of the
// External Identity API for a user's token (ConnectID: "Extension grant types").
//
// It is written against the public API of package oauth alone, as a grant of your
// own would be, and is the example for one: a code that is stored as a digest, that
// one atomic call uses up, and whose second use ends what the first one gave.
package extid

import (
	"context"
	"errors"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/oauth"
)

// Type is the value of grant_type.
const Type = "https://connectid.no/oauth2/grant_type/extid_code"

// Codes keeps the codes; an [account.Service] does.
type Codes interface {
	TakeExternalCode(ctx context.Context, code, clientID string) (account.ExternalCode, error)
	StillExternal(ctx context.Context, x account.ExternalCode) error
}

// Grant returns the grant type. Clients use it with HTTP Basic authentication and
// the parameter code; it yields a token of the external identity's user.
func Grant(codes Codes) oauth.ExtensionGrant {
	return oauth.ExtensionGrant{
		Type:      Type,
		BasicOnly: true, // ConnectID: "authenticated using Basic Authentication"
		Exchange: func(ctx context.Context, r oauth.GrantRequest) (oauth.GrantResult, error) {
			code := r.Param("code")
			if code == "" {
				return oauth.GrantResult{}, &oauth.Error{Code: oauth.InvalidRequest, Description: "missing code"}
			}
			x, err := codes.TakeExternalCode(ctx, code, r.Client.ID)
			if errors.Is(err, account.ErrUsed) { // as RFC 6749, section 4.1.2 has it for its own codes
				return oauth.GrantResult{GrantID: x.GrantID}, refuse("the code was used before", err)
			}
			if err != nil {
				return oauth.GrantResult{}, refuse("unknown or expired code", err)
			}
			return oauth.GrantResult{
				UserID: x.UserID, GrantID: x.GrantID, AuthenticatedAt: x.IssuedAt,
				Confirm: func(ctx context.Context) error {
					return refuse("unknown or expired code", codes.StillExternal(ctx, x))
				},
			}, nil
		},
	}
}

// refuse tells the client of an error that it can do something about; what is
// left, such as a store that is down, stays as it is and is answered with 503.
func refuse(description string, err error) error {
	for _, known := range []error{account.ErrUsed, account.ErrExpired, account.ErrUserGone} {
		if errors.Is(err, known) {
			return &oauth.Error{Code: oauth.InvalidGrant, Description: description, Err: err}
		}
	}
	return err
}
