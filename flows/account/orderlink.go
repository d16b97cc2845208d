package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// MethodLink is the method of a session that the link to an order has started. It
// proves that somebody reads the user's messages, days after they were sent: such a
// login is never fresh.
const MethodLink = "link"

// The longest life of a link to an order, and the usual one (ConnectID:
// linkLifetime, in days).
const (
	OrderLinkDefault = 7 * 24 * time.Hour
	OrderLinkMax     = 30 * 24 * time.Hour
)

// OrderUser is whose an order becomes that a client has placed for somebody.
type OrderUser struct {
	User        store.User
	IsNew       bool // made by this call: a handle that opens nothing, see [Service.OrderUser]
	HasPassword bool // one with which its owner can log in
}

// OrderUser returns who has the credential, also if nobody has proven yet to own it
// (ConnectID: order/{orderId}/user, isNewUser). On first sight it makes a user whose
// credential is unverified and who has no password: nothing but a proof of the
// credential, by a code or by the link of [Service.SendOrderLink], lets anybody in,
// and that proof ends whatever was there before it. The client learns that there is
// an account, as the documents have it; it learns nothing more and gets into none.
//
// [ErrTaken] when the credential stands unproven in an account with a proven one of
// its own: an order sent there would become somebody else's. [ErrUserGone] when the
// account is blocked. [ErrCredentialEmpty] and [ErrCredentialPremium].
func (s *Service) OrderUser(ctx context.Context, c store.Client, cred Credential, lang string) (OrderUser, error) {
	if cred.IsZero() {
		return OrderUser{}, ErrCredentialEmpty
	}
	if err := cred.Reachable(); err != nil {
		return OrderUser{}, err
	}
	for range maxSwaps {
		u, verified, err := s.find(ctx, cred)
		switch i := indexOf(u, cred); {
		case err != nil:
			return OrderUser{}, err
		case u.Blocked:
			return OrderUser{}, ErrUserGone
		case verified:
			return OrderUser{User: u, HasPassword: u.PasswordHash != ""}, nil
		case u.ID != "" && (hasOther(u, i) || isExternal(u)):
			return OrderUser{}, ErrTaken
		case u.ID != "":
			return OrderUser{User: u}, nil
		}
		at := now()
		u = store.User{
			ID: newID(), Number: newNumber(), Language: lang, CreatedAt: at, UpdatedAt: at,
			Credentials: []store.Credential{{Kind: cred.Kind, Identity: cred.Identity, Spelling: cred.Spelling, AddedAt: at}},
		}
		switch err := s.store.CreateUser(ctx, u); {
		case err == nil:
			u.Version = 1
			s.notify(ctx, Notice{Kind: NoticeUserCreated, UserID: u.ID, ClientID: c.ID}.about(cred))
			return OrderUser{User: u, IsNew: true}, nil
		case !errors.Is(err, store.ErrConflict):
			return OrderUser{}, fmt.Errorf("create user: %w", err)
		}
	}
	return OrderUser{}, fmt.Errorf("create user: %w again and again", store.ErrConflict)
}

// OrderLink is a link that logs its reader in and leads her to an order.
type OrderLink struct {
	Client     store.Client
	User       store.User
	Credential Credential // of the user: where it is sent
	OrderID    int64
	Product    string // in the client's words; may be empty
	// ReturnURL and ErrorURL are the client's. They have been checked, and are
	// checked again when the link is opened.
	ReturnURL, ErrorURL string
	Lifetime            time.Duration // default [OrderLinkDefault], at most [OrderLinkMax]
	Lang                string        // of the message to a user without a language
}

// orderData is what the ticket of a link says.
type orderData struct {
	OrderID int64                `json:"order"`
	Return  string               `json:"return"`
	Error   string               `json:"error"`
	Kind    store.CredentialKind `json:"kind"`
	ID      string               `json:"id"`
	Epoch   int64                `json:"epoch"`
}

// SendOrderLink sends the user a link that she opens, and confirms, to be logged in.
// It can be used once, until it is too old or the user ends all that she had, as a new
// password does. Only its digest is stored. A [LimitedError] or [ErrUndeliverable].
func (s *Service) SendOrderLink(ctx context.Context, l OrderLink) error {
	if s.orderURL == nil || indexOf(l.User, l.Credential) < 0 {
		return errors.New("account: a link to an order needs its address and a credential of its user")
	}
	lifetime := min(cmp.Or(l.Lifetime, OrderLinkDefault), OrderLinkMax)
	data, err := json.Marshal(orderData{l.OrderID, l.ReturnURL, l.ErrorURL, l.Credential.Kind, l.Credential.Identity, l.User.Epoch})
	if err != nil {
		return fmt.Errorf("order link: %w", err)
	}
	// Clients ask from their servers, so there is no address to count; and what they
	// send is counted apart from the codes that the owner needs.
	spent, err := s.spend(ctx,
		charge{limit: LimitSendCredential, budget: s.limits.SendsPerCredential,
			key: s.counter(LimitSendCredential, "order", string(l.Credential.Kind), l.Credential.Identity)},
		charge{limit: LimitSendClient, budget: Budget{cmp.Or(l.Client.SendsPerHour, DefaultSendsPerHour), time.Hour}, key: s.counter(LimitSendClient, l.Client.ID)},
		charge{limit: LimitSendOverall, budget: s.limits.SendsOverall, key: s.counter(LimitSendOverall)},
	)
	if err != nil {
		return s.limited(ctx, err, l.User, l.Client, l.Credential)
	}
	token, at := newHandle(), now()
	err = s.store.PutTicket(ctx, store.Ticket{
		Kind: store.OrderLink, Hash: store.DigestOf(token), ClientID: l.Client.ID, UserID: l.User.ID,
		Data: data, CreatedAt: at, ExpiresAt: at.Add(lifetime),
	})
	if err != nil {
		spent.giveBack(ctx)
		return fmt.Errorf("put order link: %w", err)
	}
	letter := message.Letter{
		Kind: message.OrderLink, Lang: cmp.Or(l.User.Language, l.Lang), Client: l.Client,
		Link: s.orderURL(l.Client, token), Valid: lifetime, About: l.Product,
	}
	to := ownSpelling(l.User, l.Credential)
	if err := s.send(ctx, letter, to); err != nil {
		if !errors.Is(err, errUnsure) {
			spent.giveBack(ctx)
		}
		s.notify(ctx, Notice{Kind: NoticeSendFailed, UserID: l.User.ID, ClientID: l.Client.ID, Err: err}.about(to))
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	s.notify(ctx, Notice{Kind: NoticeOrderLinkSent, UserID: l.User.ID, ClientID: l.Client.ID}.about(to))
	return nil
}

// OpenedOrderLink is what a link says.
type OpenedOrderLink struct {
	OrderID             int64
	User                store.User // zero when Over
	Credential          Credential
	ReturnURL, ErrorURL string
	// Over says that it logs nobody in: it has been used, or its user has gone or
	// ended all that she had since.
	Over bool
}

// OrderLink reads a link of the client; it changes nothing, as mail scanners open
// every link. [ErrExpired] when there is none, or it is too old.
func (s *Service) OrderLink(ctx context.Context, clientID, token string) (OpenedOrderLink, error) {
	if len(token) != handleLen {
		return OpenedOrderLink{}, ErrExpired
	}
	t, err := s.store.Ticket(ctx, store.OrderLink, store.DigestOf(token))
	used := errors.Is(err, store.ErrUsed)
	switch {
	case errors.Is(err, store.ErrNotFound), (err == nil || used) && (t.ClientID != clientID || !time.Now().Before(t.ExpiresAt)):
		return OpenedOrderLink{}, ErrExpired
	case err != nil && !used:
		return OpenedOrderLink{}, fmt.Errorf("read order link: %w", err)
	}
	return s.openOrderLink(ctx, t, used)
}

func (s *Service) openOrderLink(ctx context.Context, t store.Ticket, used bool) (OpenedOrderLink, error) {
	var d orderData
	if err := json.Unmarshal(t.Data, &d); err != nil {
		return OpenedOrderLink{}, fmt.Errorf("read order link: %w", err)
	}
	l := OpenedOrderLink{
		OrderID: d.OrderID, ReturnURL: d.Return, ErrorURL: d.Error,
		Credential: Credential{Kind: d.Kind, Identity: d.ID, Spelling: d.ID},
	}
	u, err := s.User(ctx, t.UserID)
	switch {
	case errors.Is(err, ErrUserGone):
		l.Over = true
		return l, nil
	case err != nil:
		return OpenedOrderLink{}, err
	}
	i := indexOf(u, l.Credential)
	if l.Over = used || i < 0 || u.Epoch != d.Epoch; i >= 0 {
		l.User, l.Credential.Spelling = u, u.Credentials[i].Spelling
	}
	return l, nil
}

// OrderLinkUse is what the reader of a link says.
type OrderLinkUse struct {
	Client        store.Client
	Token         string
	Password      string // that she chooses; only for an account without one
	TermsAccepted bool
	Lang          string
}

// UseOrderLink uses the link up and returns its user, who has now proven to own the
// credential to which it was sent: of many callers exactly one gets her. An account
// that nobody had proven is as if it was new: what anybody had of it ends.
// [ErrExpired] when the link is over. Errors of a new password come before anything
// is done; an error after the link was used is an outage, and the user logs in by a
// code then.
func (s *Service) UseOrderLink(ctx context.Context, use OrderLinkUse) (store.User, Credential, error) {
	l, err := s.OrderLink(ctx, use.Client.ID, use.Token)
	if err == nil && l.Over {
		err = ErrExpired
	}
	if err != nil {
		return store.User{}, Credential{}, err
	}
	proven := s.Owns(l.User, l.Credential)
	if proven && l.User.PasswordHash != "" {
		use.Password = ""
	}
	if use.Password != "" {
		if err := s.CheckNewPassword(use.Password, avoided(l.User, use.Client)...); err != nil {
			return store.User{}, Credential{}, err
		}
		if err := s.unbreached(ctx, use.Password, l.User, use.Client); err != nil {
			return store.User{}, Credential{}, err
		}
	}
	t, err := s.store.TakeTicket(ctx, store.OrderLink, store.DigestOf(use.Token), use.Client.ID)
	switch {
	case errors.Is(err, store.ErrUsed), errors.Is(err, store.ErrNotFound), err == nil && !time.Now().Before(t.ExpiresAt):
		return store.User{}, Credential{}, ErrExpired
	case err != nil:
		return store.User{}, Credential{}, fmt.Errorf("take order link: %w", err)
	}
	// Whoever ended all that the user had meanwhile has ended this too.
	if l, err = s.openOrderLink(ctx, t, false); err != nil {
		return store.User{}, Credential{}, err
	}
	if l.Over {
		return store.User{}, Credential{}, ErrExpired
	}
	p, err := s.claim(ctx, l.User, l.Credential)
	switch {
	case errors.Is(err, ErrWrong), err == nil && !p.Exists:
		return store.User{}, Credential{}, ErrExpired
	case err != nil:
		return store.User{}, Credential{}, err
	}
	u := p.User
	if use.TermsAccepted && u.TermsAt.IsZero() {
		if u, err = s.change(ctx, u, func(u *store.User) bool {
			missing := u.TermsAt.IsZero()
			u.TermsAt = now()
			return missing
		}); err != nil {
			return store.User{}, Credential{}, err
		}
	}
	if use.Password != "" && u.PasswordHash == "" {
		u, err = s.SetPassword(ctx, u, PasswordChange{
			Password: use.Password, Epoch: u.Epoch, Client: use.Client, Used: l.Credential, Lang: use.Lang,
		})
		if err != nil {
			return store.User{}, Credential{}, err
		}
	}
	return u, l.Credential, nil
}
