package flows

import (
	"context"
	"strconv"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// External is what a client does for users whom its publisher knows by an
// external identity (ConnectID: External Identity API). No page and no browser
// take part: the client vouches for who it is.
type External struct {
	Accounts   *account.Service
	Publishers *publisher.Systems
}

// ExternalUser is the user of an external identity.
type ExternalUser struct {
	User store.User
	Made bool // by this call
	// Code is the extidCode with which the client gets a token for her; empty for
	// a user who is blocked.
	Code string
}

// Open returns the user who is x at the client's partner, and makes her on first
// sight.
func (e External) Open(ctx context.Context, c store.Client, x account.ExternalID) (ExternalUser, error) {
	u, made, err := e.Accounts.External(ctx, c, x)
	if err != nil {
		return ExternalUser{}, err
	}
	return e.issue(ctx, c, x, ExternalUser{User: u, Made: made})
}

func (e External) issue(ctx context.Context, c store.Client, x account.ExternalID, u ExternalUser) (_ ExternalUser, err error) {
	if !u.User.Blocked {
		u.Code, err = e.Accounts.IssueExternalCode(ctx, c, u.User, x)
	}
	return u, err
}

// OpenCustomer is [External.Open], and ties the user to the customer with the
// number, in the publisher's system and then in her record, as registerUrl does.
// The same again is no error.
//
// [publisher.ErrNotFound] for an unknown customer, [account.ErrTied] (or
// [publisher.ErrTied]) for one who is another user, [account.ErrTiedElsewhere]
// for a user who is another customer, [account.ErrUserGone] for one who is
// blocked and not tied yet. The user is there after an error too; what is cut off
// between the two systems is made good by doing it again.
func (e External) OpenCustomer(ctx context.Context, c store.Client, x account.ExternalID, number int64) (ExternalUser, error) {
	u, made, err := e.Accounts.External(ctx, c, x)
	if err != nil {
		return ExternalUser{}, err
	}
	out := ExternalUser{User: u, Made: made}
	switch tied := u.CustomerNumber(c.PartnerID); {
	case tied == number:
		return e.issue(ctx, c, x, out)
	case tied != 0:
		return out, account.ErrTiedElsewhere
	case u.Blocked:
		return out, account.ErrUserGone
	}
	tie := store.Tie{Kind: store.CustomerTie, PartnerID: c.PartnerID, Number: strconv.FormatInt(number, 10)}
	if err := tieUser(ctx, e.Accounts, e.Publishers.Customers(c.PartnerID), u, c.ID, tie); err != nil {
		return out, err
	}
	if out.User, _, err = e.Accounts.External(ctx, c, x); err != nil {
		return out, err
	}
	return e.issue(ctx, c, x, out)
}
