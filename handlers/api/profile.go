package api

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// Profile is who the user is: the answer of GET v1/customer/profile. It unites
// the older shape (userId, credential) with the newer (uniqueId,
// loginCredential, userCredentials), as clients of both are in use.
type Profile struct {
	XMLName  xml.Name `json:"-" xml:"profile"`
	UserID   int64    `json:"userId" xml:"userId"`
	UniqueID string   `json:"uniqueId" xml:"uniqueId"` // 32 hexadecimal digits
	// CustomerNumber is the user's at the publisher of the calling client.
	CustomerNumber int64      `json:"customerNumber,omitzero" xml:"customerNumber,omitempty"`
	Credential     *OldNaming `json:"credential,omitempty" xml:"credential,omitempty"`
	// LoginCredential is the first credential that the user has proved to own,
	// or the first of all when there is none. Whom only an external identity leads
	// to has no credential at all: both are left out then, and the lists are empty.
	LoginCredential *Credential  `json:"loginCredential,omitempty" xml:"loginCredential,omitempty"`
	UserCredentials []Credential `json:"userCredentials" xml:"userCredentials>userCredential"`
	Name            Name         `json:"name" xml:"name"`
	// PhoneNumbers and Emails are those that the user has proved to own, so
	// that a client may write to them.
	PhoneNumbers    []PhoneNumber    `json:"phoneNumbers" xml:"phoneNumbers>phoneNumber"`
	Emails          []string         `json:"emails" xml:"emails>email"`
	ExternalSources []ExternalSource `json:"externalSources" xml:"externalSources>externalSource"`
}

// OldNaming is a credential as the older shape has it.
type OldNaming struct {
	Credential     string `json:"credential" xml:"credential"`
	CredentialType string `json:"credentialType" xml:"credentialType"` // A e-mail, B phone
}

// Credential is an e-mail address or mobile number that the user logs in with.
type Credential struct {
	Credential     string `json:"credential" xml:"credential"`
	CredentialType string `json:"credentialType" xml:"credentialType"` // email or phone
	// VerificationLevel is 1 when the user has proved to own it by a code, and 0
	// otherwise.
	VerificationLevel int `json:"verificationLevel" xml:"verificationLevel"`
}

// Name is what the user is called; what is not known is left out.
type Name struct {
	FirstName      string `json:"firstName,omitempty" xml:"firstName,omitempty"`
	MiddleName     string `json:"middleName,omitempty" xml:"middleName,omitempty"`
	LastName       string `json:"lastName,omitempty" xml:"lastName,omitempty"`
	CompanyName    string `json:"companyName,omitempty" xml:"companyName,omitempty"`
	DepartmentName string `json:"departmentName,omitempty" xml:"departmentName,omitempty"`
}

// PhoneNumber is a number in the form of E.164.
type PhoneNumber struct {
	PhoneNumber     string `json:"phoneNumber" xml:"phoneNumber"`
	PhoneNumberType string `json:"phoneNumberType,omitempty" xml:"phoneNumberType,omitempty"` // mobile; of a customer's, in the publisher's words
}

// ExternalSource is an identity of the user in a system outside, by which the
// publisher of the calling client knows her (see [ExternalIdentity]).
type ExternalSource struct {
	Source     string `json:"source" xml:"source"` // the credentialType: D, E, H, I, L, M, X or Z
	ExternalID string `json:"externalId" xml:"externalId"`
}

// profile serves GET v1/customer/profile.
func (s *Server) profile(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	return s.respond(w, r, profileOf(u, t.Client.PartnerID))
}

// user returns the user of a token. A token of an account that another has
// absorbed is the other's.
func (s *Server) user(ctx context.Context, t middleware.Token) (store.User, error) {
	u, err := store.ResolveUser(ctx, s.c.Users, t.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return u, middleware.InvalidToken(errors.New("the user is gone"))
	case err != nil:
		return u, fmt.Errorf("look up the user of a token: %w", err)
	case u.Blocked:
		return u, middleware.InvalidToken(errors.New("the user is blocked"))
	}
	return u, nil
}

func profileOf(u store.User, partnerID string) *Profile {
	p := &Profile{
		UserID: u.Number, UniqueID: u.ID, CustomerNumber: u.CustomerNumber(partnerID),
		Name:            Name{FirstName: u.FirstName, LastName: u.LastName},
		UserCredentials: []Credential{}, PhoneNumbers: []PhoneNumber{}, Emails: []string{}, ExternalSources: []ExternalSource{},
	}
	for _, t := range u.Ties {
		// What other publishers call her is no business of this one's.
		if x, ok := account.ExternalOf(t); ok && t.PartnerID == partnerID {
			p.ExternalSources = append(p.ExternalSources, ExternalSource{string(x.Type), x.ID})
		}
	}
	for i, c := range u.Credentials {
		out := Credential{Credential: spell(c), CredentialType: "email"}
		if c.Kind == store.Phone {
			out.CredentialType = "phone"
		}
		if verified := !c.VerifiedAt.IsZero(); verified {
			out.VerificationLevel = 1
			if c.Kind == store.Phone {
				p.PhoneNumbers = append(p.PhoneNumbers, PhoneNumber{out.Credential, "mobile"})
			} else {
				p.Emails = append(p.Emails, out.Credential)
			}
		}
		if i == 0 || out.VerificationLevel > p.LoginCredential.VerificationLevel {
			p.LoginCredential = new(out)
			p.Credential = &OldNaming{out.Credential, string(c.Kind)}
		}
		p.UserCredentials = append(p.UserCredentials, out)
	}
	return p
}

// spell returns an e-mail address as its owner writes it, and a number as E.164.
func spell(c store.Credential) string {
	if c.Kind == store.Email && c.Spelling != "" {
		return c.Spelling
	}
	return c.Identity
}
