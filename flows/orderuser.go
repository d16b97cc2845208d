package flows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// OrderUsers is what a client does for somebody for whom it has placed an order: the
// order becomes hers, and a link is sent that logs her in (ConnectID:
// order/{orderId}/user). No browser takes part; the page behind the link is
// [OrderLink].
type OrderUsers struct {
	Accounts *account.Service
	Orders   *order.Service
	Clients  store.Clients
}

// OrderUserRequest names whose an order becomes.
type OrderUserRequest struct {
	OrderID    int64
	Credential string // an e-mail address or a phone number, as somebody wrote it
	Send       bool   // the link
	// ReturnURL and ErrorURL are where the link leads to, among the Targets of the
	// client whose link it is. Defaults: that client's Homepage, and ReturnURL.
	ReturnURL, ErrorURL string
	// Days is how long the link lives; default 7, at most 30.
	Days *int
	// ClientID is the client of the same partner whose link it is; default the caller.
	ClientID string
}

// Assign makes the order that of whoever has the credential, and sends her the link.
// On first sight it makes a user, as [account.Service.OrderUser] says, with its
// errors. A fault of the request is an [order.RefusedError]. An order that is
// unknown, another client's or another user's is [order.ErrNotFound], and then
// nothing has happened. After a [account.LimitedError], [account.ErrUndeliverable]
// or an outage the order may be hers already: the same again is no error.
func (s OrderUsers) Assign(ctx context.Context, caller *store.Client, q OrderUserRequest) (account.OrderUser, error) {
	fail := func(err error) (account.OrderUser, error) { return account.OrderUser{}, err }
	refuse := func(field, format string, args ...any) (account.OrderUser, error) {
		return fail(&order.RefusedError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	c, err := s.client(ctx, caller, q.ClientID)
	if err != nil {
		return fail(err)
	}
	cred, err := account.ParseCredential(q.Credential, c.Region)
	switch {
	case errors.Is(err, account.ErrCredentialEmpty):
		return refuse("credential", "is missing")
	case err != nil, cred.Reachable() != nil:
		return refuse("credential", "is no e-mail address and no number of a mobile phone")
	}
	days := int(account.OrderLinkDefault / (24 * time.Hour))
	if q.Days != nil {
		days = *q.Days
	}
	if most := int(account.OrderLinkMax / (24 * time.Hour)); days < 1 || days > most {
		return refuse("linkLifetime", "is not between 1 and %d days", most)
	}
	returnURL := cmp.Or(q.ReturnURL, c.Homepage)
	errorURL := cmp.Or(q.ErrorURL, returnURL)
	for _, t := range []struct{ field, raw string }{{"returnUrl", returnURL}, {"errorUrl", errorURL}} {
		if t.raw == "" {
			if q.Send {
				return refuse(t.field, "is missing")
			}
			continue
		}
		u, err := target.Parse(t.raw)
		switch {
		case err != nil:
			return refuse(t.field, "is refused: %v", err)
		case !target.For(&c).Allows(u) && (q.Send || q.ReturnURL+q.ErrorURL != ""):
			return refuse(t.field, "is not among the allowed targets of client %s", c.ID)
		}
	}
	o, err := s.Orders.Order(ctx, caller, "", q.OrderID)
	if err != nil {
		return fail(err)
	}
	// Nobody is made for an order that can not become hers.
	if err := s.free(ctx, o, cred); err != nil {
		return fail(err)
	}
	u, err := s.Accounts.OrderUser(ctx, c, cred, c.Language)
	if err != nil {
		return fail(err)
	}
	if _, err := s.Orders.Assign(ctx, caller, o.ID, u.User.ID); err != nil {
		return fail(err)
	}
	if !q.Send {
		return u, nil
	}
	link := account.OrderLink{
		Client: c, User: u.User, Credential: cred, OrderID: o.ID, ReturnURL: returnURL, ErrorURL: errorURL,
		Lifetime: time.Duration(days) * 24 * time.Hour, Lang: c.Language,
	}
	if len(o.Content.Lines) == 1 {
		link.Product = o.Content.Lines[0].Name
	}
	return u, s.Accounts.SendOrderLink(ctx, link)
}

// client returns the client whose link it is. That one is another publisher's, is
// disabled or does not exist is all the same to the caller.
func (s OrderUsers) client(ctx context.Context, caller *store.Client, id string) (store.Client, error) {
	if id == "" || id == caller.ID {
		return *caller, nil
	}
	c, err := s.Clients.Client(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (c.PartnerID != caller.PartnerID || c.Disabled):
		return store.Client{}, &order.RefusedError{Field: "overrideClientId", Reason: "names no client of the publisher"}
	case err != nil:
		return store.Client{}, fmt.Errorf("look up client: %w", err)
	}
	return c, nil
}

// free returns [order.ErrNotFound] for an order that is somebody's who does not have
// the credential, or nobody's for good.
func (s OrderUsers) free(ctx context.Context, o order.Order, cred account.Credential) error {
	if o.Content.Forgotten {
		return order.ErrNotFound
	}
	if o.UserID == "" {
		return nil
	}
	u, err := s.Accounts.User(ctx, o.UserID)
	switch {
	case errors.Is(err, account.ErrUserGone):
		return order.ErrNotFound
	case err != nil:
		return err
	case !slices.ContainsFunc(u.Credentials, func(own store.Credential) bool { return own.Kind == cred.Kind && own.Identity == cred.Identity }):
		return order.ErrNotFound
	}
	return nil
}
