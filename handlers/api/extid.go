package api

import (
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// ExternalIdentityRequest names an external identity: the body of POST
// v1/client/extid. Both fields are required.
type ExternalIdentityRequest struct {
	ExternalID     string `json:"externalId"`     // 1 to 60 characters
	CredentialType string `json:"credentialType"` // D, E, H, I, L, M, X or Z
}

// ExternalCustomerRequest also names the customer who the user is: the body of
// POST v1/client/extid/customer. All fields are required.
type ExternalCustomerRequest struct {
	ExternalIdentityRequest
	CustomerNumber int64 `json:"customerNumber"` // at the publisher of the calling client
}

// ExternalIdentity is the user of an external identity at the publisher of the
// calling client: the answer of POST v1/client/extid and v1/client/extid/customer.
type ExternalIdentity struct {
	XMLName        xml.Name `json:"-" xml:"externalIdentity"`
	Credential     string   `json:"credential" xml:"credential"` // AID: and the externalId for type D, the externalId for others
	ExternalID     string   `json:"externalId" xml:"externalId"`
	CredentialType string   `json:"credentialType" xml:"credentialType"`
	// CanLogin is true once the user has a credential of her own, with which she
	// can log in at the login server.
	CanLogin bool `json:"canLogin" xml:"canLogin"`
	// CustomerNumber is the user's at that publisher; left out when she has none.
	CustomerNumber int64  `json:"customerNumber,omitzero" xml:"customerNumber,omitempty"`
	UniqueID       string `json:"uniqueId" xml:"uniqueId"` // 32 hexadecimal digits
	Enabled        bool   `json:"enabled" xml:"enabled"`   // false for a user who is blocked
	NewUser        bool   `json:"newUser" xml:"newUser"`   // this call has made the user
	// ExtidCode is exchanged once, within 60 seconds and by this client, for the
	// user's token; left out for a user who is blocked.
	ExtidCode string `json:"extidCode,omitempty" xml:"extidCode,omitempty"`
}

// openExternal serves POST v1/client/extid.
func (s *Server) openExternal(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	var in ExternalIdentityRequest
	c, x, err := s.external(r, t, &in, &in)
	if err != nil {
		return err
	}
	u, err := s.externals().Open(r.Context(), *c, x)
	if err != nil {
		return err
	}
	return s.reply(w, r, externalOf(c, x, u))
}

// openExternalCustomer serves POST v1/client/extid/customer.
func (s *Server) openExternalCustomer(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	var in ExternalCustomerRequest
	c, x, err := s.external(r, t, &in, &in.ExternalIdentityRequest)
	if err != nil {
		return err
	}
	if in.CustomerNumber < 1 {
		return badRequest("bad customerNumber: want a positive number")
	}
	u, err := s.externals().OpenCustomer(r.Context(), *c, x, in.CustomerNumber)
	conflict := func(message string) error {
		return &Error{Status: http.StatusConflict, Type: "Conflict", Message: message, Err: err}
	}
	switch {
	case errors.Is(err, publisher.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Type: "NotFound", Message: "there is no customer with this customerNumber", Err: err}
	case errors.Is(err, account.ErrTied), errors.Is(err, publisher.ErrTied):
		return conflict("the customer is tied to another user")
	case errors.Is(err, account.ErrTiedElsewhere):
		return conflict("the user is tied to another customer")
	case errors.Is(err, account.ErrUserGone):
		return conflict("the user is blocked")
	case err != nil:
		return err
	}
	return s.reply(w, r, externalOf(c, x, u))
}

func (s *Server) externals() flows.External {
	return flows.External{Accounts: s.c.Accounts, Publishers: s.c.Publishers}
}

// external reads the body of a call into in, of which id is a part.
func (s *Server) external(r *http.Request, t middleware.Token, in any, id *ExternalIdentityRequest) (*store.Client, account.ExternalID, error) {
	fail := func(err error) (*store.Client, account.ExternalID, error) { return nil, account.ExternalID{}, err }
	if s.c.Accounts == nil {
		return fail(notFound())
	}
	if err := decode(r, in); err != nil {
		return fail(err)
	}
	x, err := account.ParseExternalID(id.CredentialType, id.ExternalID)
	switch {
	case id.ExternalID == "":
		return fail(badRequest("missing externalId"))
	case id.CredentialType == "":
		return fail(badRequest("missing credentialType"))
	case errors.Is(err, account.ErrExternalType):
		return fail(badRequest("bad credentialType: want D, E, H, I, L, M, X or Z"))
	case err != nil:
		return fail(badRequest("bad externalId: want 1 to 60 characters, none of them a control, and no space around them"))
	case t.Client.PartnerID == "":
		return fail(&middleware.BearerError{Status: http.StatusForbidden, Code: "insufficient_scope",
			Description: "this client has no publisher, whom external identities belong to", DPoP: !t.DPoPKey.IsZero()})
	}
	return t.Client, x, nil
}

func externalOf(c *store.Client, x account.ExternalID, u flows.ExternalUser) *ExternalIdentity {
	return &ExternalIdentity{
		Credential: x.Credential(), ExternalID: x.ID, CredentialType: string(x.Type),
		CanLogin: account.CanLogIn(u.User), CustomerNumber: u.User.CustomerNumber(c.PartnerID),
		UniqueID: u.User.ID, Enabled: !u.User.Blocked, NewUser: u.Made, ExtidCode: u.Code,
	}
}
