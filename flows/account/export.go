package account

import (
	"context"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Export is everything that the stores hold of a user, but no secret: no hash,
// handle or token, and nothing that one could be guessed from (GDPR, articles 15
// and 20).
type Export struct {
	ExportedAt  time.Time             `json:"exportedAt"`
	Account     ExportAccount         `json:"account"`
	Credentials []ExportCredential    `json:"credentials"`
	Devices     []ExportDevice        `json:"devices"`
	Sites       []ExportSite          `json:"sites"`
	Parts       map[string][]PartItem `json:"parts,omitempty"`
}

// ExportAccount is the account itself.
type ExportAccount struct {
	ID            string      `json:"id"`
	UserID        int64       `json:"userId"`
	FirstName     string      `json:"firstName"`
	LastName      string      `json:"lastName"`
	Language      string      `json:"language"`
	Ties          []ExportTie `json:"ties,omitempty"`
	HasPassword   bool        `json:"hasPassword"`
	PasswordSetAt time.Time   `json:"passwordSetAt,omitzero"`
	TermsAt       time.Time   `json:"termsAcceptedAt,omitzero"`
	Blocked       bool        `json:"blocked,omitempty"`
	Changes       int64       `json:"changes"` // how often the record was written
	CreatedAt     time.Time   `json:"createdAt"`
	UpdatedAt     time.Time   `json:"updatedAt"`
}

// ExportTie is a person in a publisher's own system whom the user is.
type ExportTie struct {
	Kind      string    `json:"kind"`
	PartnerID string    `json:"partnerId"`
	Number    string    `json:"number"`
	TiedAt    time.Time `json:"tiedAt,omitzero"`
}

// ExportCredential is one credential.
type ExportCredential struct {
	Type       string    `json:"type"` // email or mobile
	Credential string    `json:"credential"`
	ComparedAs string    `json:"comparedAs"`
	VerifiedAt time.Time `json:"verifiedAt,omitzero"`
	AddedAt    time.Time `json:"addedAt"`
}

// ExportDevice is a session or a remember-me series.
type ExportDevice struct {
	Kind      string    `json:"kind"` // session or remembered
	Device    string    `json:"device"`
	Clients   []string  `json:"clients,omitempty"` // that are told when a session ends
	Site      string    `json:"site"`
	ClientID  string    `json:"clientId"`
	CreatedAt time.Time `json:"createdAt"`
	UsedAt    time.Time `json:"usedAt"`
	EndsAt    time.Time `json:"endsAt"`
}

// ExportSite is a client that may act for the user.
type ExportSite struct {
	Site     string    `json:"site"`
	ClientID string    `json:"clientId"`
	Scope    string    `json:"scope"`
	Since    time.Time `json:"since"`
	UsedAt   time.Time `json:"usedAt"`
	EndsAt   time.Time `json:"endsAt"`
	// Resources are the resource servers that its access is for (RFC 8707).
	Resources []string `json:"resources,omitempty"`
}

// Export returns everything that the stores hold of the user. What is left out
// is short-lived and not kept by user: open one-time codes, counters, and the
// runs of pages, each gone within a day.
func (s *Service) Export(ctx context.Context, userID string) (Export, error) {
	u, err := s.User(ctx, userID)
	if err != nil {
		return Export{}, err
	}
	x := Export{
		ExportedAt: now(),
		Account: ExportAccount{
			ID: u.ID, UserID: u.Number, FirstName: u.FirstName, LastName: u.LastName, Language: u.Language,
			HasPassword: u.PasswordHash != "", PasswordSetAt: u.PasswordSetAt,
			TermsAt: u.TermsAt, Blocked: u.Blocked, Changes: u.Version, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
		},
		Credentials: []ExportCredential{}, Devices: []ExportDevice{}, Sites: []ExportSite{},
	}
	for _, t := range u.Ties {
		x.Account.Ties = append(x.Account.Ties, ExportTie{string(t.Kind), t.PartnerID, t.Number, t.TiedAt})
	}
	for _, c := range u.Credentials {
		kind := "email"
		if c.Kind == store.Phone {
			kind = "mobile"
		}
		x.Credentials = append(x.Credentials, ExportCredential{kind, c.Spelling, c.Identity, c.VerifiedAt, c.AddedAt})
	}
	devices, err := s.Devices(ctx, u.ID, Here{})
	if err != nil {
		return Export{}, err
	}
	for _, d := range devices {
		kind := "session"
		if d.Remembered {
			kind = "remembered"
		}
		x.Devices = append(x.Devices, ExportDevice{kind, d.Agent, d.Clients, d.ClientName, d.ClientID, d.CreatedAt, d.UsedAt, d.EndsAt})
	}
	sites, err := s.Sites(ctx, u.ID)
	if err != nil {
		return Export{}, err
	}
	for _, site := range sites {
		if site.EndsAt.IsZero() { // no access; what she agreed to is a part of its own
			continue
		}
		x.Sites = append(x.Sites, ExportSite{site.Name, site.ClientID, site.Scope, site.Since, site.UsedAt, site.EndsAt, site.Resources})
	}
	for _, p := range s.PartsOf(ctx, u) {
		if p.Err != nil { // an export is whole, or there is none
			return Export{}, fmt.Errorf("export: %w", p.Err)
		}
		if x.Parts == nil {
			x.Parts = map[string][]PartItem{}
		}
		x.Parts[p.Name] = append([]PartItem{}, p.Items...)
	}
	return x, nil
}

// merges is what is kept of the accounts that became one with the user's. It goes
// with the account, by the store's own rule.
func (s *Service) merges() Part {
	return Part{
		Name: "merges",
		List: func(ctx context.Context, u store.User) (items []PartItem, err error) {
			for m, err := range s.store.UserMerges(ctx, u.ID) {
				if err != nil {
					return nil, err
				}
				var taken []string
				for _, c := range m.Taken.Credentials {
					taken = append(taken, c.Spelling)
				}
				items = append(items, PartItem{Title: m.Absorbed, Data: map[string]any{
					"absorbed": m.Absorbed, "firstName": m.Taken.FirstName, "lastName": m.Taken.LastName, "credentials": taken,
					"clientId": m.ClientID, "mergedAt": m.MergedAt, "undoUntil": m.UndoUntil, "undoneAt": m.UndoneAt, "endsAt": m.ExpiresAt,
				}})
			}
			return items, nil
		},
	}
}
