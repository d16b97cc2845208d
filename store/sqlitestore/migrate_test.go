package sqlitestore_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// at returns a file whose schema has the given version.
func at(t *testing.T, version int64) (file string, db *sql.DB) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "connectid.db")
	db = rawDB(t, file, "")
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"),
		goose.WithTableName("connectid_migrations"), goose.WithDisableGlobalRegistry(true))
	must(t, err)
	_, err = p.UpTo(t.Context(), version)
	must(t, err)
	return file, db
}

// What an older program has written can be read, and what came later is empty,
// except that each session has a public ID of its own.
func TestMigratesWhatIsThere(t *testing.T) {
	file, db := at(t, 4)
	end := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	handles := []store.Digest{digest(), digest()}
	code, token := digest(), digest()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range handles {
		exec(`INSERT INTO connectid_sessions (handle, user_id, client_id, method, agent, fresh_at, created_at, used_at, idle_at, expires_at)
			VALUES (?, 'user', 'client', 'password', 'Firefox', 0, 0, 0, ?, ?)`, h[:], end.UnixMicro(), end.UnixMicro())
	}
	exec(`INSERT INTO connectid_codes (hash, client_id, grant_id, user_id, scope, redirect_uri, challenge, authenticated_at, created_at, ends_at)
		VALUES (?, 'client', 'grant', 'user', 'profile', '', '', 0, 0, ?)`, code[:], end.UnixMicro())
	exec(`INSERT INTO connectid_grants (id, version, client_id, user_id, scope, authenticated_at, generation, rotated_at, key_id, created_at, refresh_expires, ends_at)
		VALUES ('grant', 1, 'client', 'user', 'profile', 0, 0, 0, '', 0, 0, ?)`, end.UnixMicro())
	exec(`INSERT INTO connectid_access_tokens (hash, grant_id, client_id, user_id, scope, created_at, ends_at)
		VALUES (?, 'grant', 'client', 'user', 'profile', 0, ?)`, token[:], end.UnixMicro())
	must(t, db.Close())

	s, err := sqlitestore.Open(t.Context(), file)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	var ids []string
	for _, h := range handles {
		r, err := s.Session(t.Context(), h)
		must(t, err)
		if len(r.ID) < 22 || slices.Contains(ids, r.ID) || r.Clients != nil || r.Agent != "Firefox" || !r.ExpiresAt.Equal(end) {
			t.Errorf("Session = %+v", r)
		}
		ids = append(ids, r.ID)
		must(t, s.VisitSession(t.Context(), h, "client"))
	}
	c, err := s.TakeCode(t.Context(), code, "client")
	must(t, err)
	if c.Scope != "profile" || c.SessionID != "" || c.Nonce != "" || c.Resources != nil || !c.DPoPKey.IsZero() {
		t.Errorf("TakeCode = %+v", c)
	}
	g, err := s.Grant(t.Context(), "grant")
	must(t, err)
	if g.Scope != "profile" || g.SessionID != "" || g.Resources != nil || !g.DPoPKey.IsZero() {
		t.Errorf("Grant = %+v", g)
	}
	a, err := s.AccessToken(t.Context(), token)
	must(t, err)
	if a.Scope != "profile" || a.Resources != nil || !a.DPoPKey.IsZero() {
		t.Errorf("AccessToken = %+v", a)
	}
	next := g
	next.Resources, next.DPoPKey = []string{"https://api.example/"}, digest()
	must(t, s.SwapGrant(t.Context(), next, store.AccessToken{Hash: digest(), GrantID: g.ID, ExpiresAt: end}))
}

// Clients that an older program has written have no payment secrets, and orders
// can be placed in its file.
func TestMigratesToOrders(t *testing.T) {
	file, db := at(t, 6)
	_, err := db.Exec(`INSERT INTO connectid_clients (id, partner_id, disabled, name, description, homepage, customer_care_phone, customer_care_email, product,
		subscription_terms_url, user_terms_url, language, region, gui_version, targets, redirect_uris, insecure_redirect_prefixes, insecure_allow_http, public, secrets,
		grant_types, scopes, insecure_skip_pkce, omit_issuer, keep_refresh_token, may_introspect, access_lifetime, refresh_lifetime, password_optional,
		calls_per_minute, calls_per_second, sends_per_hour, updated_at)
		VALUES ('client', 'partner', 0, 'Paper', '', '', '', '', '', '', '', '', '', 2, '[]', '[]', '[]', 0, 0, '[]', '[]', '[]', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`)
	must(t, err)
	must(t, db.Close())
	s := openFile(t, file)
	c, err := s.Client(t.Context(), "client")
	must(t, err)
	if c.Name != "Paper" || c.PaymentSecrets != nil || c.PriceOverride {
		t.Errorf("Client = %+v", c)
	}
	must(t, s.CommitOrders(t.Context(), []store.Order{{ID: 1, PartnerID: "partner", ClientID: "client"}}, nil))
}
