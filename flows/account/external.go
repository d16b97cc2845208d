package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/store"
)

// ExternalMax is the greatest length of an external identity, in code points
// (ConnectID, External Identity API: externalId).
const ExternalMax = 60

// externalTypes are the types of external identities (ConnectID, External
// Identity API: credentialType).
const externalTypes = "DEHILMXZ"

// externalAID is the one type of which it is known what it stands for.
const externalAID store.CredentialKind = "D"

// ExternalID is who somebody is in a system outside: a publisher's own login, an
// identity that several publishers share. The kit takes the publisher's word for
// it, so it counts at that publisher alone.
type ExternalID struct {
	Type store.CredentialKind // D, E, H, I, L, M, X or Z
	ID   string               // compared byte by byte
}

// ParseExternalID reads what a client says, or returns [ErrExternalType] or
// [ErrExternalID]. Nothing is trimmed or folded: what an identity looks like is
// the outside system's business, and two that differ are two persons.
func ParseExternalID(credentialType, id string) (ExternalID, error) {
	if len(credentialType) != 1 || !strings.Contains(externalTypes, credentialType) {
		return ExternalID{}, ErrExternalType
	}
	switch {
	case id == "", strings.TrimSpace(id) != id, !utf8.ValidString(id), utf8.RuneCountInString(id) > ExternalMax,
		// Decoders put U+FFFD in place of what is no text, so that many would be one.
		strings.ContainsRune(id, utf8.RuneError), strings.ContainsFunc(id, unprintable):
		return ExternalID{}, ErrExternalID
	}
	return ExternalID{store.CredentialKind(credentialType), id}, nil
}

// Credential returns the identity as clients write credentials: AID: and the ID
// for type D, the ID alone for the others.
func (x ExternalID) Credential() string {
	if x.Type == externalAID {
		return "AID:" + x.ID
	}
	return x.ID
}

// tie returns the tie of the user who is x at the partner.
func (x ExternalID) tie(partnerID string) store.Tie {
	return store.Tie{Kind: store.ExternalTie(x.Type), PartnerID: partnerID, Number: x.ID}
}

// ExternalOf returns the identity that a tie leads to; false when it leads to
// something else.
func ExternalOf(t store.Tie) (ExternalID, bool) {
	kind, ok := t.Kind.External()
	return ExternalID{kind, t.Number}, ok
}

// isExternal reports whether the user has an external identity.
func isExternal(u store.User) bool {
	return slices.ContainsFunc(u.Ties, func(t store.Tie) bool {
		_, ok := ExternalOf(t)
		return ok
	})
}

// CanLogIn reports whether the user can log in at the login server: she has
// proved to own a credential, and is not blocked. Whom only an external identity
// leads to can not.
func CanLogIn(u store.User) bool { return !u.Blocked && firstVerified(u) >= 0 }

// External returns the user who is x at the client's partner; blocked ones too.
// On first sight it makes her, without credential and password, and reports true:
// of many callers at once exactly one does. Who has absorbed that user since has
// the identity.
func (s *Service) External(ctx context.Context, c store.Client, x ExternalID) (u store.User, made bool, err error) {
	t := x.tie(c.PartnerID)
	for range maxSwaps {
		u, err = s.store.UserByTie(ctx, t.Kind, t.PartnerID, t.Number)
		switch {
		case err == nil:
			return u, false, nil
		case !errors.Is(err, store.ErrNotFound):
			return store.User{}, false, fmt.Errorf("read external identity: %w", err)
		}
		at := now()
		t.TiedAt = at
		u = store.User{ID: newID(), Number: newNumber(), Ties: []store.Tie{t}, CreatedAt: at, UpdatedAt: at}
		err = s.store.CreateUser(ctx, u)
		switch {
		case err == nil:
			u.Version = 1
			s.notify(ctx, Notice{Kind: NoticeUserCreated, UserID: u.ID, ClientID: c.ID})
			return u, true, nil
		case !errors.Is(err, store.ErrConflict):
			return store.User{}, false, fmt.Errorf("create user: %w", err)
		}
	}
	return store.User{}, false, fmt.Errorf("create user: %w again and again", store.ErrConflict)
}

// ExternalCode is what an extidCode stands for.
type ExternalCode struct {
	UserID   string
	GrantID  string // of the grant that it gives
	IssuedAt time.Time

	tie   store.Tie
	epoch int64
}

// externalData is what the ticket of a code says beside that.
type externalData struct {
	Partner string               `json:"partner"`
	Type    store.CredentialKind `json:"type"`
	ID      string               `json:"id"`
	Epoch   int64                `json:"epoch"`
}

// IssueExternalCode returns an extidCode: it proves, once and within
// [Lifetimes].ExternalCode, that the client's partner vouches for u being x. Only
// its digest is stored.
func (s *Service) IssueExternalCode(ctx context.Context, c store.Client, u store.User, x ExternalID) (string, error) {
	data, err := json.Marshal(externalData{c.PartnerID, x.Type, x.ID, u.Epoch})
	if err != nil {
		return "", fmt.Errorf("issue extidCode: %w", err)
	}
	code, at := newHandle(), now()
	err = s.store.PutTicket(ctx, store.Ticket{
		Kind: store.ExternalCode, Hash: store.DigestOf(code), ClientID: c.ID, UserID: u.ID, GrantID: newGrantID(),
		Data: data, CreatedAt: at, ExpiresAt: at.Add(s.life.ExternalCode),
	})
	if err != nil {
		return "", fmt.Errorf("issue extidCode: %w", err)
	}
	return code, nil
}

// TakeExternalCode uses up an extidCode of the client. Of many callers at once
// exactly one gets it; the others, and all later ones, get [ErrUsed] with it.
// [ErrExpired] when there is no such code, or it is another client's, which stays
// as it was; [ErrUserGone] as [Service.StillExternal] says.
func (s *Service) TakeExternalCode(ctx context.Context, code, clientID string) (ExternalCode, error) {
	if len(code) != handleLen {
		return ExternalCode{}, ErrExpired
	}
	t, err := s.store.TakeTicket(ctx, store.ExternalCode, store.DigestOf(code), clientID)
	switch {
	case errors.Is(err, store.ErrUsed):
		return ExternalCode{GrantID: t.GrantID}, ErrUsed
	case errors.Is(err, store.ErrNotFound), err == nil && !time.Now().Before(t.ExpiresAt):
		return ExternalCode{}, ErrExpired
	case err != nil:
		return ExternalCode{}, fmt.Errorf("take extidCode: %w", err)
	}
	var d externalData
	if err := json.Unmarshal(t.Data, &d); err != nil {
		return ExternalCode{}, fmt.Errorf("take extidCode: %w", err)
	}
	x := ExternalCode{
		UserID: t.UserID, GrantID: t.GrantID, IssuedAt: t.CreatedAt,
		tie: ExternalID{d.Type, d.ID}.tie(d.Partner), epoch: d.Epoch,
	}
	return x, s.StillExternal(ctx, x)
}

// StillExternal returns [ErrUserGone] when the user of a code that was taken has
// been blocked, deleted or absorbed since it was issued, has ended all that she
// had, or is not that external identity any more. It is asked again after a grant
// is stored, for the reason that [Service.StartSession] has.
func (s *Service) StillExternal(ctx context.Context, x ExternalCode) error {
	u, err := s.User(ctx, x.UserID)
	if err != nil {
		return err
	}
	if u.Epoch != x.epoch || !slices.ContainsFunc(u.Ties, x.tie.Names) {
		return ErrUserGone
	}
	return nil
}

// newGrantID returns the ID of a grant in the form of the authorization server's:
// 128 random bits as 22 characters.
func newGrantID() string { return randomText(16) }

// externals lists a user's external identities in My account. They go with the
// account, and the export has them among the account's ties.
func (s *Service) externals() Part {
	return Part{
		Name: "externals",
		List: func(_ context.Context, u store.User) (items []PartItem, err error) {
			for _, t := range u.Ties {
				if x, ok := ExternalOf(t); ok {
					items = append(items, PartItem{Title: x.Credential(), Data: t})
				}
			}
			return items, nil
		},
	}
}
