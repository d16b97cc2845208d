package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// SearchAttempt is a reader's search for a number that she says is hers.
type SearchAttempt struct {
	Client store.Client
	UserID string
	Kind   store.TieKind
	Number string // canonical, so that one number has one counter
	Origin Origin
}

// Search is a search that was counted as wrong until it is known to be right.
type Search struct {
	spent *spending
	a     SearchAttempt
}

// StartSearch counts a search, before anything is looked up, against the user,
// the number, the address and the client. A [LimitedError] when one of them has
// used up its budget; it comes alike for numbers that exist and for others.
func (s *Service) StartSearch(ctx context.Context, a SearchAttempt) (*Search, error) {
	l := s.limits
	spent, err := s.spend(ctx,
		charge{limit: LimitSearchUser, budget: l.SearchesPerUser, key: s.counter(LimitSearchUser, a.UserID)},
		charge{limit: LimitSearchAddress, budget: l.SearchesPerAddress, key: s.counter(LimitSearchAddress, addressKey(a.Origin.Address))},
		charge{limit: LimitSearchNumber, budget: l.SearchesPerNumber, key: s.counter(LimitSearchNumber, string(a.Kind), a.Client.PartnerID, a.Number)},
		charge{limit: LimitSearchClient, budget: l.SearchesPerClient, key: s.counter(LimitSearchClient, a.Client.ID)},
	)
	if err != nil {
		return nil, s.limited(ctx, err, store.User{ID: a.UserID}, a.Client, Credential{})
	}
	return &Search{spent, a}, nil
}

// Right gives back what was counted: the search was no guess, or was not
// answered.
func (q *Search) Right(ctx context.Context) { q.spent.giveBack(ctx) }

// Wrong leaves the search counted, and tells the observer.
func (q *Search) Wrong(ctx context.Context) {
	q.spent.s.notify(ctx, Notice{Kind: NoticeNumberWrong, UserID: q.a.UserID, ClientID: q.a.Client.ID})
}

// TiedTo returns the ID of the user who is tied to the number, and "" when
// nobody is.
func (s *Service) TiedTo(ctx context.Context, kind store.TieKind, partnerID, number string) (string, error) {
	u, err := s.store.UserByTie(ctx, kind, partnerID, number)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read tie: %w", err)
	}
	return u.ID, nil
}

// Tie ties the user to a number, by one atomic change of her record: of many
// users who race for one number exactly one gets it. The same tie again is no
// error. [ErrTied] when the number is another user's, [ErrTiedElsewhere] when
// she has another number of that kind at the partner, [ErrUserGone] when she is
// blocked or deleted, or her epoch is no longer that of u, by which she was
// proven to be here.
func (s *Service) Tie(ctx context.Context, u store.User, clientID string, t store.Tie) error {
	userID, epoch := u.ID, u.Epoch
	for range maxSwaps {
		if u.Epoch != epoch || u.Blocked {
			return ErrUserGone
		}
		if own, ok := u.Tie(t.Kind, t.PartnerID); ok {
			if own.Number != t.Number {
				return ErrTiedElsewhere
			}
			return nil
		}
		switch owner, err := s.TiedTo(ctx, t.Kind, t.PartnerID, t.Number); {
		case err != nil:
			return err
		case owner != "" && owner != userID:
			return ErrTied
		}
		t.TiedAt = now()
		u.Ties = append(slices.Clone(u.Ties), t)
		u.UpdatedAt = t.TiedAt
		err := s.store.UpdateUser(ctx, u)
		switch {
		case err == nil:
			s.notify(ctx, Notice{Kind: NoticeTied, UserID: userID, ClientID: clientID})
			return nil
		case errors.Is(err, store.ErrNotFound):
			return ErrUserGone
		case !errors.Is(err, store.ErrConflict):
			return fmt.Errorf("tie user: %w", err)
		}
		if u, err = s.User(ctx, userID); err != nil {
			return err
		}
	}
	return fmt.Errorf("tie user: %w again and again", store.ErrConflict)
}

// PublisherFailed tells the observer that a publisher's system could not be
// asked, where the reader can do without it.
func (s *Service) PublisherFailed(ctx context.Context, userID string, client store.Client, err error) {
	s.notify(ctx, Notice{Kind: NoticePublisherFailed, UserID: userID, ClientID: client.ID, Err: err})
}

// CareRequest asks customer care to help a reader.
type CareRequest struct {
	Client     store.Client
	User       store.User
	Credential Credential // by which she can be reached
	Kind       store.TieKind
	Number     string // as she typed it
	LastName   string
	PostalCode string
}

// WriteToCare sends the client's customer care a mail about a reader who can not
// be tied. [ErrUndeliverable] when there is no address or it could not be handed
// over, a [LimitedError] after too many.
func (s *Service) WriteToCare(ctx context.Context, r CareRequest) error {
	if r.Client.CustomerCareEmail == "" {
		return ErrUndeliverable
	}
	spent, err := s.spend(ctx, charge{limit: LimitCareUser, budget: s.limits.CareMailsPerUser, key: s.counter(LimitCareUser, r.User.ID)})
	if err != nil {
		return s.limited(ctx, err, r.User, r.Client, r.Credential)
	}
	m, err := s.composer.Compose(message.Letter{
		Kind: message.CustomerService, Channel: message.Email, To: r.Client.CustomerCareEmail, Client: r.Client,
		Reader: message.Reader{
			Name: strings.TrimSpace(r.User.FirstName + " " + r.User.LastName), Credential: r.Credential.Spelling, UserID: r.User.ID,
			Membership: r.Kind == store.MembershipTie, Number: r.Number, LastName: r.LastName, PostalCode: r.PostalCode,
		},
	})
	if err == nil {
		sending, cancel := context.WithTimeout(ctx, s.sendTimeout)
		defer cancel()
		err = s.sender.Send(sending, m)
	}
	if err != nil {
		spent.giveBack(ctx)
		s.notify(ctx, Notice{Kind: NoticeSendFailed, UserID: r.User.ID, ClientID: r.Client.ID, Err: errors.New("mail to customer care")})
		return ErrUndeliverable
	}
	s.notify(ctx, Notice{Kind: NoticeCareMail, UserID: r.User.ID, ClientID: r.Client.ID}.about(r.Credential))
	return nil
}
