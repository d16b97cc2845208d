package api

import (
	"encoding/xml"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/middleware"
)

// OrderUserRequest says whose an order becomes: the body of POST
// v1/client/order/{orderId}/user. credential is required.
type OrderUserRequest struct {
	Credential string `json:"credential"`
	// IsSendMessage sends her a link that logs her in, after she has chosen a password
	// if she has none. Default true.
	IsSendMessage *bool  `json:"isSendMessage,omitempty"`
	ReturnURL     string `json:"returnUrl"`              // where the link leads to, among the client's allowed targets; default is its homepage
	ErrorURL      string `json:"errorUrl"`               // where it leads to when it is over; default is returnUrl
	LinkLifetime  *int   `json:"linkLifetime,omitempty"` // in days; default 7
	// OverrideClientID is another client of the same publisher, at which the link logs
	// her in and among whose allowed targets the addresses are.
	OverrideClientID string `json:"overrideClientId"`
}

// OrderUser is whose an order has become.
type OrderUser struct {
	XMLName       xml.Name `json:"-" xml:"orderUser"`
	OrderID       int64    `json:"orderId" xml:"orderId"`
	UniqueUserID  string   `json:"uniqueUserId" xml:"uniqueUserId"`   // 32 hexadecimal digits
	IsNewUser     bool     `json:"isNewUser" xml:"isNewUser"`         // this call has made the user
	IsPasswordSet bool     `json:"isPasswordSet" xml:"isPasswordSet"` // she can log in with a password
}

// assignOrder serves POST v1/client/order/{orderId}/user.
func (s *Server) assignOrder(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	orders, err := s.orders(t)
	if err != nil {
		return err
	}
	if s.c.Accounts == nil {
		return notFound()
	}
	id, err := orderID(r)
	if err != nil {
		return err
	}
	var in OrderUserRequest
	if err := decodeEither(r, &in); err != nil {
		return err
	}
	users := flows.OrderUsers{Accounts: s.c.Accounts, Orders: orders, Clients: s.c.Clients}
	u, err := users.Assign(r.Context(), t.Client, flows.OrderUserRequest{
		OrderID: id, Credential: in.Credential, Send: in.IsSendMessage == nil || *in.IsSendMessage,
		ReturnURL: in.ReturnURL, ErrorURL: in.ErrorURL, Days: in.LinkLifetime, ClientID: in.OverrideClientID,
	})
	if err != nil {
		return orderUserFault(w, err)
	}
	return s.respond(w, r, &OrderUser{OrderID: id, UniqueUserID: u.User.ID, IsNewUser: u.IsNew, IsPasswordSet: u.HasPassword})
}

func orderUserFault(w http.ResponseWriter, err error) error {
	if refused, ok := errors.AsType[*order.RefusedError](err); ok {
		return badRequest("%s %s", refused.Field, refused.Reason)
	}
	if limited, ok := errors.AsType[*account.LimitedError](err); ok {
		wait := max(1, int(math.Ceil(time.Until(limited.RetryAt).Seconds())))
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		return &Error{Status: http.StatusTooManyRequests, Type: "TooManyRequests", Message: "too many messages: wait for the seconds in Retry-After", Err: err}
	}
	switch {
	case errors.Is(err, account.ErrTaken):
		return takenCredential.because(err)
	case errors.Is(err, account.ErrUserGone):
		return blockedUser.because(err)
	}
	return orderFault(err)
}
