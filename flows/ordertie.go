package flows

import (
	"context"
	"errors"
	"strconv"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// CustomerTies returns what ties a user to the customer that an order has made of
// her, in the way in which a reader is tied who registers as a subscriber. It is made
// for order.Config.Tie: that she can not be tied, as another user has the number or
// she another one, is no error.
func CustomerTies(accounts *account.Service, publishers *publisher.Systems) func(ctx context.Context, clientID, userID, partnerID string, number int64) error {
	return func(ctx context.Context, clientID, userID, partnerID string, number int64) error {
		user, err := accounts.User(ctx, userID)
		if err == nil {
			err = tieUser(ctx, accounts, publishers.Customers(partnerID), user, clientID,
				store.Tie{Kind: store.CustomerTie, PartnerID: partnerID, Number: strconv.FormatInt(number, 10)})
		}
		for _, no := range []error{account.ErrTied, account.ErrTiedElsewhere, account.ErrUserGone, publisher.ErrTied, publisher.ErrNotFound} {
			if errors.Is(err, no) {
				return nil
			}
		}
		return err
	}
}
