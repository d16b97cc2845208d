package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Site is a client that the user has allowed to act for her (RFC 6749, section
// 1.1: the authorization grant), or to do so whenever she is sent there.
type Site struct {
	ClientID string
	Name     string
	Scope    string // of the newest grant; empty when there is none
	// Agreed are the scopes to which she has agreed; nil at clients that do not
	// have to ask.
	Agreed []string
	Since  time.Time
	UsedAt time.Time // when it last renewed its access
	EndsAt time.Time // when its access ends if it is not renewed; zero for a consent alone
	// Resources are the resource servers that its access is for; empty for none
	// named.
	Resources []string
}

// Sites lists the clients that hold a live grant of the user, the newest first,
// and then those that hold none and to which she has agreed.
func (s *Service) Sites(ctx context.Context, userID string) ([]Site, error) {
	var all []Site
	at := map[string]int{}
	names := s.clientNames()
	for g, err := range s.store.UserGrants(ctx, userID) {
		if err != nil {
			return nil, fmt.Errorf("list grants: %w", err)
		}
		used := g.CreatedAt
		if g.RotatedAt.After(used) {
			used = g.RotatedAt
		}
		i, there := at[g.ClientID]
		if !there {
			name, err := names(ctx, g.ClientID)
			if err != nil {
				return nil, err
			}
			i = len(all)
			at[g.ClientID] = i
			all = append(all, Site{ClientID: g.ClientID, Name: name, Scope: g.Scope, Since: g.CreatedAt, UsedAt: used, EndsAt: g.ExpiresAt})
		}
		site := &all[i]
		for _, r := range g.Resources {
			if !slices.Contains(site.Resources, r) {
				site.Resources = append(site.Resources, r)
			}
		}
		if g.CreatedAt.Before(site.Since) {
			site.Since = g.CreatedAt
		}
		if used.After(site.UsedAt) {
			site.UsedAt = used
		}
		if g.ExpiresAt.After(site.EndsAt) {
			site.EndsAt = g.ExpiresAt
		}
	}
	for c, err := range s.store.UserConsents(ctx, userID) {
		if err != nil {
			return nil, fmt.Errorf("list consents: %w", err)
		}
		i, there := at[c.ClientID]
		if !there {
			name, err := names(ctx, c.ClientID)
			if err != nil {
				return nil, err
			}
			i = len(all)
			all = append(all, Site{ClientID: c.ClientID, Name: name, Since: c.GivenAt, UsedAt: c.GivenAt})
		}
		all[i].Agreed = c.Scopes
	}
	return all, nil
}

// Disconnect takes back what the user has agreed to at the client and revokes
// all her grants to it: its access and refresh tokens stop working at once. No
// error when there is none.
//
// The consent goes first: whoever exchanges a code asks for it when the grant is
// stored, and so either finds none or has a grant that is found here.
func (s *Service) Disconnect(ctx context.Context, userID, clientID string) error {
	_, err := s.store.Consent(ctx, userID, clientID)
	agreed := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read consent: %w", err)
	}
	if err := s.store.DeleteConsent(ctx, userID, clientID); err != nil {
		return fmt.Errorf("delete consent: %w", err)
	}
	var ids []string
	for g, err := range s.store.UserGrants(ctx, userID) {
		if err != nil {
			return fmt.Errorf("list grants: %w", err)
		}
		if g.ClientID == clientID {
			ids = append(ids, g.ID)
		}
	}
	var errs []error
	for _, id := range ids {
		if err := s.store.RevokeGrant(ctx, id, now().Add(s.life.GrantTombstone)); err != nil {
			errs = append(errs, fmt.Errorf("revoke grant: %w", err))
		}
	}
	if (agreed || len(ids) > 0) && len(errs) == 0 {
		s.notify(ctx, Notice{Kind: NoticeDisconnected, UserID: userID, ClientID: clientID})
	}
	return errors.Join(errs...)
}

// Part is something else that is kept of users: their memberships, say. It is
// shown in My account, exported with the account and removed with it.
type Part struct {
	// Name is what the part is called in an export. Pages have headings for
	// "subscriptions", "memberships", "directories", "externals" and "orders"; others
	// are exported and removed, and not shown.
	Name string
	// Page is the login server's page where the user adds to it, such as
	// "register". Optional.
	Page string
	// List returns what is kept of the user. Required.
	List func(ctx context.Context, u store.User) ([]PartItem, error)
	// Remove removes all that is kept of the user, before the account goes. It
	// may be called again after a failure. Optional.
	Remove func(ctx context.Context, u store.User) error
}

// PartItem is one thing that a [Part] keeps, in the words of whoever keeps it.
type PartItem struct {
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Data   any    `json:"data,omitempty"` // the whole of it, for the export; no secret
}

// PartList is what a part keeps of one user.
type PartList struct {
	Part
	Items []PartItem
	Err   error // why there are no Items, if the part could not be asked
}

// partPatience is how long one part may take to list what it keeps: it may be
// somebody else's system, and a page with several has 4.5 seconds.
const partPatience = 1500 * time.Millisecond

// PartsOf lists what the parts keep of the user. A part that can not be asked
// has an Err; the others are listed all the same.
func (s *Service) PartsOf(ctx context.Context, u store.User) []PartList {
	all := make([]PartList, 0, len(s.parts))
	for _, p := range s.parts {
		ctx, cancel := context.WithTimeout(ctx, partPatience)
		items, err := p.List(ctx, u)
		cancel()
		if err != nil {
			items, err = nil, fmt.Errorf("list %s: %w", p.Name, err)
		}
		all = append(all, PartList{p, items, err})
	}
	return all
}
