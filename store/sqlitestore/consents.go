package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/connectid-kit/connectid/store"
)

var consentKind = newKind("connectid_consents", `user_id client_id scopes given_at`,
	func(c *store.Consent) []any {
		return []any{&c.UserID, &c.ClientID, (*fewTexts)(&c.Scopes), (*stamp)(&c.GivenAt)}
	})

// AddConsent implements [store.Consents].
func (s *Store) AddConsent(ctx context.Context, c store.Consent) error {
	c.Scopes = slices.Clone(c.Scopes)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		var before store.Consent
		err := t.row(consentKind.selects+"WHERE user_id = ? AND client_id = ?", c.UserID, c.ClientID).Scan(consentKind.fields(&before)...)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return struct{}{}, err
		}
		sum := c
		sum.Scopes = slices.Concat(before.Scopes, c.Scopes)
		slices.Sort(sum.Scopes)
		sum.Scopes = slices.Compact(sum.Scopes)
		return struct{}{}, t.do(strings.Replace(consentKind.inserts, "INSERT", "INSERT OR REPLACE", 1), consentKind.fields(&sum)...)
	})
	return err
}

// Consent implements [store.Consents].
func (s *Store) Consent(ctx context.Context, userID, clientID string) (store.Consent, error) {
	return readOne(ctx, s, consentKind, "WHERE user_id = ? AND client_id = ?", userID, clientID)
}

// UserConsents implements [store.Consents].
func (s *Store) UserConsents(ctx context.Context, userID string) iter.Seq2[store.Consent, error] {
	return list(ctx, func() ([]store.Consent, error) {
		return readAll(ctx, s, consentKind, "WHERE user_id = ? ORDER BY client_id", userID)
	})
}

// DeleteConsent implements [store.Consents].
func (s *Store) DeleteConsent(ctx context.Context, userID, clientID string) error {
	return s.exec(ctx, "DELETE FROM connectid_consents WHERE user_id = ? AND client_id = ?", userID, clientID)
}

// DeleteUserConsents implements [store.Consents].
func (s *Store) DeleteUserConsents(ctx context.Context, userID string) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_consents WHERE user_id = ?", userID)
}
