package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"

	"github.com/connectid-kit/connectid/store"
)

var articleKind = newKind("connectid_articles", `partner_id id free products updated_at`,
	func(a *store.Article) []any {
		return []any{&a.PartnerID, &a.ID, &a.Free, (*texts)(&a.Products), (*stamp)(&a.UpdatedAt)}
	})

var accessKind = newKind("connectid_accesses", `id partner_id user_id customer_number product article_id
	subscription starts_at ends_at moved`,
	func(a *store.Access) []any {
		return []any{
			&a.ID, &a.PartnerID, &a.UserID, &a.CustomerNumber, &a.Product, &a.ArticleID,
			&a.Subscription, (*stamp)(&a.StartsAt), (*stamp)(&a.ExpiresAt), (*texts)(&a.Moved),
		}
	})

var organisationKind = newKind("connectid_organisations", `partner_id id name marks products starts_at ended_at updated_at`,
	func(o *store.Organisation) []any {
		return []any{
			&o.PartnerID, &o.ID, &o.Name, asJSON(&o.Marks), (*texts)(&o.Products), (*stamp)(&o.StartsAt), (*stamp)(&o.EndsAt), (*stamp)(&o.UpdatedAt),
		}
	})

// PutArticle implements [store.Articles].
func (s *Store) PutArticle(ctx context.Context, a store.Article) error {
	a.Products = slices.Clone(a.Products)
	return put(ctx, s, articleKind, a, "WHERE partner_id = ? AND id = ?", a.PartnerID, a.ID)
}

// Article implements [store.Articles].
func (s *Store) Article(ctx context.Context, partnerID, id string) (store.Article, error) {
	return readOne(ctx, s, articleKind, "WHERE partner_id = ? AND id = ?", partnerID, id)
}

// DeleteArticle implements [store.Articles].
func (s *Store) DeleteArticle(ctx context.Context, partnerID, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_articles WHERE partner_id = ? AND id = ?", partnerID, id)
}

// PutAccess implements [store.Accesses].
func (s *Store) PutAccess(ctx context.Context, a store.Access) error {
	a.Moved = slices.Clone(a.Moved)
	return put(ctx, s, accessKind, a, "WHERE id = ?", a.ID)
}

// UserAccesses implements [store.Accesses].
func (s *Store) UserAccesses(ctx context.Context, partnerID, userID string) iter.Seq2[store.Access, error] {
	return list(ctx, func() ([]store.Access, error) {
		return readAll(ctx, s, accessKind, "WHERE user_id = ?1 AND user_id <> '' AND (?2 = '' OR partner_id = ?2) AND ends_at > ?3 ORDER BY ends_at DESC, id", userID, partnerID, now())
	})
}

// CustomerAccesses implements [store.Accesses].
func (s *Store) CustomerAccesses(ctx context.Context, partnerID string, number int64) iter.Seq2[store.Access, error] {
	return list(ctx, func() ([]store.Access, error) {
		return readAll(ctx, s, accessKind, "WHERE partner_id = ? AND customer_number = ? AND customer_number <> 0 AND ends_at > ? ORDER BY ends_at DESC, id", partnerID, number, now())
	})
}

// MoveAccesses implements [store.Accesses].
func (s *Store) MoveAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	if toUser == "" {
		return 0, errors.New("sqlitestore: accesses are moved to nobody")
	}
	return s.count(ctx, `UPDATE connectid_accesses SET (user_id, moved) = (?, json_insert(iif(json_type(moved) = 'array', moved, '[]'), '$[#]', ?))
		WHERE user_id = ? AND user_id <> '' AND ends_at > ?`, toUser, merge, fromUser, now())
}

// ReturnAccesses implements [store.Accesses].
func (s *Store) ReturnAccesses(ctx context.Context, merge, fromUser, toUser string) (int, error) {
	if toUser == "" {
		return 0, errors.New("sqlitestore: accesses are moved to nobody")
	}
	const at = "(SELECT min(key) FROM json_each(moved) WHERE value = ?1)"
	return s.count(ctx, `UPDATE connectid_accesses SET (user_id, moved) = (?2, (SELECT json_group_array(value) FROM (SELECT value FROM json_each(moved) WHERE key < `+at+` ORDER BY key)))
		WHERE user_id = ?3 AND user_id <> '' AND ends_at > ?4 AND `+at+` IS NOT NULL`, merge, toUser, fromUser, now())
}

// DeleteAccess implements [store.Accesses].
func (s *Store) DeleteAccess(ctx context.Context, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_accesses WHERE id = ?", id)
}

// DeleteUserAccesses implements [store.Accesses].
func (s *Store) DeleteUserAccesses(ctx context.Context, userID string) (int, error) {
	return s.count(ctx, "DELETE FROM connectid_accesses WHERE user_id = ? AND user_id <> '' AND ends_at > ?", userID, now())
}

// PutOrganisation implements [store.Organisations].
func (s *Store) PutOrganisation(ctx context.Context, o store.Organisation) error {
	o.Marks, o.Products = slices.Clone(o.Marks), slices.Clone(o.Products)
	_, err := write(ctx, s, func(t *txn) (struct{}, error) {
		none := struct{}{}
		if _, err := t.exec("DELETE FROM connectid_organisations WHERE partner_id = ? AND id = ?", o.PartnerID, o.ID); err != nil {
			return none, err
		}
		if _, err := t.exec(organisationKind.inserts, organisationKind.fields(&o)...); err != nil {
			return none, err
		}
		for _, m := range o.Marks {
			if _, err := t.exec("INSERT OR IGNORE INTO connectid_organisation_marks (partner_id, kind, value, id) VALUES (?, ?, ?, ?)",
				o.PartnerID, string(m.Kind), m.Value, o.ID); err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}

// Organisation implements [store.Organisations].
func (s *Store) Organisation(ctx context.Context, partnerID, id string) (store.Organisation, error) {
	return readOne(ctx, s, organisationKind, "WHERE partner_id = ? AND id = ?", partnerID, id)
}

// MarkedOrganisations implements [store.Organisations].
func (s *Store) MarkedOrganisations(ctx context.Context, partnerID string, marks []store.Mark) iter.Seq2[store.Organisation, error] {
	asked, err := json.Marshal(marks)
	return list(ctx, func() ([]store.Organisation, error) {
		if err != nil {
			return nil, err
		}
		return readAll(ctx, s, organisationKind, `WHERE partner_id = ?1 AND id IN (
			SELECT m.id FROM json_each(?2) a CROSS JOIN connectid_organisation_marks m
			ON m.partner_id = ?1 AND m.kind = a.value ->> 'Kind' AND m.value = a.value ->> 'Value') ORDER BY id`, partnerID, string(asked))
	})
}

// DeleteOrganisation implements [store.Organisations].
func (s *Store) DeleteOrganisation(ctx context.Context, partnerID, id string) error {
	return s.exec(ctx, "DELETE FROM connectid_organisations WHERE partner_id = ? AND id = ?", partnerID, id)
}
