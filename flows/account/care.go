package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// ErrNoCare says that the client has no address of a customer care.
var ErrNoCare = errors.New("account: no customer care to write to")

// AskForMerge writes to the client's customer care that two accounts of one
// reader can not become one by themselves. [ErrNoCare], a [LimitedError], or
// [ErrUndeliverable].
func (s *Service) AskForMerge(ctx context.Context, c store.Client, p MergePlan) error {
	care, err := ParseCredential(c.CustomerCareEmail, c.Region)
	if err != nil || care.Kind != store.Email {
		return ErrNoCare
	}
	spent, err := s.spend(ctx, charge{limit: LimitCareAccount, budget: s.limits.CarePerAccount, key: s.counter(LimitCareAccount, p.Survivor.ID)})
	if err != nil {
		return s.limited(ctx, err, p.Survivor, c, care)
	}
	letter := message.Letter{Kind: message.CareMerge, Lang: c.Language, Client: c}
	lang := texts.Match(c.Language)
	for _, u := range []store.User{p.Survivor, p.Absorbed} {
		reach := "–"
		if i := firstVerified(u); i >= 0 {
			reach = u.Credentials[i].Spelling
		}
		customer := "–"
		if n := u.CustomerNumber(c.PartnerID); n != 0 {
			customer = strconv.FormatInt(n, 10)
		}
		letter.Details = append(letter.Details, texts.Get(lang, "mail.care.account", u.ID, customer, reach))
	}
	if err := s.send(ctx, letter, care); err != nil {
		spent.giveBack(ctx)
		s.notify(ctx, Notice{Kind: NoticeSendFailed, UserID: p.Survivor.ID, ClientID: c.ID, Err: err}.about(care))
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	s.notify(ctx, Notice{Kind: NoticeCareAsked, UserID: p.Survivor.ID, ClientID: c.ID}.about(care))
	return nil
}

func firstVerified(u store.User) int {
	for i, c := range u.Credentials {
		if !c.VerifiedAt.IsZero() {
			return i
		}
	}
	return -1
}
