package flows

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// PublisherParts are what publishers' systems know of users, for My account, the
// export of an account and its deletion: subscriptions, memberships and rights to
// read.
func PublisherParts(systems *publisher.Systems) []account.Part {
	return []account.Part{
		{
			Name: "subscriptions", Page: "register",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				for _, t := range tiesOf(u, store.CustomerTie) {
					number, err := strconv.ParseInt(t.Number, 10, 64)
					if err != nil {
						return nil, fmt.Errorf("customer number of partner %s: %w", t.PartnerID, err)
					}
					all, err := systems.Customers(t.PartnerID).Subscriptions(ctx, t.PartnerID, number)
					if err != nil {
						return nil, fmt.Errorf("subscriptions at partner %s: %w", t.PartnerID, err)
					}
					for _, s := range all {
						items = append(items, account.PartItem{Title: s.Name, Detail: t.Number, Data: s})
					}
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				return untie(ctx, u, store.CustomerTie, func(id string) publisher.People { return systems.Customers(id) })
			},
		},
		{
			Name: "memberships", Page: "activateMembership",
			List: func(_ context.Context, u store.User) (items []account.PartItem, err error) {
				for _, t := range tiesOf(u, store.MembershipTie) {
					items = append(items, account.PartItem{Title: t.Number, Data: t})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error {
				return untie(ctx, u, store.MembershipTie, func(id string) publisher.People { return systems.Memberships(id) })
			},
		},
		{
			Name: "accesses",
			List: func(ctx context.Context, u store.User) (items []account.PartItem, err error) {
				all, err := systems.UserAccesses(ctx, u.ID)
				if err != nil {
					return nil, err
				}
				for _, a := range all {
					items = append(items, account.PartItem{Title: cmp.Or(a.ArticleID, a.Product, a.Subscription), Data: a})
				}
				return items, nil
			},
			Remove: func(ctx context.Context, u store.User) error { return systems.RemoveAccesses(ctx, u.ID) },
		},
	}
}

// PublisherMerge moves what publishers have given a user to read when two
// accounts become one.
func PublisherMerge(systems *publisher.Systems) account.MergePart { return mergeAccesses{systems} }

type mergeAccesses struct{ systems *publisher.Systems }

func (p mergeAccesses) PlanMerge(ctx context.Context, _, absorbed store.User) ([]account.Line, error) {
	all, err := p.systems.UserAccesses(ctx, absorbed.ID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return []account.Line{{Text: "merge.line.accesses"}}, nil
}

func (p mergeAccesses) Merge(ctx context.Context, m store.Merge) error {
	return p.systems.MoveAccesses(ctx, m)
}

func (p mergeAccesses) Unmerge(ctx context.Context, m store.Merge) error {
	return p.systems.ReturnAccesses(ctx, m)
}

func tiesOf(u store.User, kind store.TieKind) (ties []store.Tie) {
	for _, t := range u.Ties {
		if t.Kind == kind {
			ties = append(ties, t)
		}
	}
	return ties
}

// untie tells the partners' systems that the user is nobody of theirs any more.
// The kit's own ties go with the account.
func untie(ctx context.Context, u store.User, kind store.TieKind, of func(partnerID string) publisher.People) error {
	for _, t := range tiesOf(u, kind) {
		if err := of(t.PartnerID).Untie(ctx, publisher.Tie{PartnerID: t.PartnerID, Number: t.Number, UserID: u.ID}); err != nil {
			return fmt.Errorf("untie at partner %s: %w", t.PartnerID, err)
		}
	}
	return nil
}
