package sqlitestore

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// kind says how records of one type are kept. fields returns pointers in the
// order of columns, to scan into and to take arguments from.
type kind[R any] struct {
	table   string
	columns []string
	fields  func(*R) []any
	selects string // SELECT … FROM table
	list    string // the columns, for RETURNING
	inserts string
	updates string // UPDATE table SET every column; its arguments are the fields
}

func newKind[R any](table, columns string, fields func(*R) []any) kind[R] {
	cols := strings.Fields(columns)
	var none R
	if got := len(fields(&none)); got != len(cols) {
		panic(fmt.Sprintf("sqlitestore: %s has %d columns and %d fields", table, len(cols), got))
	}
	list := strings.Join(cols, ", ")
	marks := "?" + strings.Repeat(", ?", len(cols)-1)
	return kind[R]{
		table: table, columns: cols, fields: fields, list: list,
		selects: "SELECT " + list + " FROM " + table + " ",
		inserts: "INSERT INTO " + table + " (" + list + ") VALUES (" + marks + ")",
		updates: "UPDATE " + table + " SET (" + list + ") = (" + marks + ") ",
	}
}

var clientKind = newKind("connectid_clients", `id partner_id disabled name description homepage
	customer_care_phone customer_care_email product subscription_terms_url user_terms_url language region
	gui_version targets redirect_uris insecure_redirect_prefixes insecure_allow_http public secrets grant_types
	scopes insecure_skip_pkce omit_issuer keep_refresh_token may_introspect access_lifetime refresh_lifetime
	password_optional calls_per_minute calls_per_second sends_per_hour updated_at consent_required require_par
	require_dpop resources post_logout_redirect_uris backchannel_logout_uri id_token_alg payment_secrets price_override`,
	func(c *store.Client) []any {
		return []any{
			&c.ID, &c.PartnerID, &c.Disabled, &c.Name, &c.Description, &c.Homepage,
			&c.CustomerCarePhone, &c.CustomerCareEmail, &c.Product, &c.SubscriptionTermsURL, &c.UserTermsURL, &c.Language, &c.Region,
			&c.GUIVersion, (*texts)(&c.Targets), (*texts)(&c.RedirectURIs), (*texts)(&c.InsecureRedirectPrefixes), &c.InsecureAllowHTTP, &c.Public, (*texts)(&c.Secrets), (*texts)(&c.GrantTypes),
			(*texts)(&c.Scopes), &c.InsecureSkipPKCE, &c.OmitIssuer, &c.KeepRefreshToken, &c.MayIntrospect, &c.AccessLifetime, &c.RefreshLifetime,
			&c.PasswordOptional, &c.CallsPerMinute, &c.CallsPerSecond, &c.SendsPerHour, (*stamp)(&c.UpdatedAt), &c.ConsentRequired, &c.RequirePAR,
			&c.RequireDPoP, (*fewTexts)(&c.Resources), (*fewTexts)(&c.PostLogoutRedirectURIs), &c.BackchannelLogoutURI, &c.IDTokenAlg, (*fewTexts)(&c.PaymentSecrets), &c.PriceOverride,
		}
	})

var userKind = newKind("connectid_users", `id number version epoch blocked password_hash password_set_at
	first_name last_name language terms_at ties created_at updated_at`,
	func(u *store.User) []any {
		return []any{
			&u.ID, &u.Number, &u.Version, &u.Epoch, &u.Blocked, &u.PasswordHash, (*stamp)(&u.PasswordSetAt),
			&u.FirstName, &u.LastName, &u.Language, (*stamp)(&u.TermsAt), (*ties)(&u.Ties), (*stamp)(&u.CreatedAt), (*stamp)(&u.UpdatedAt),
		}
	})

var sessionKind = newKind("connectid_sessions", `handle check_hash user_id client_id method agent
	fresh_at created_at used_at idle_at expires_at id clients`,
	func(s *store.Session) []any {
		return []any{
			(*digest)(&s.Handle), (*digest)(&s.Check), &s.UserID, &s.ClientID, &s.Method, &s.Agent,
			(*stamp)(&s.FreshAt), (*stamp)(&s.CreatedAt), (*stamp)(&s.UsedAt), (*stamp)(&s.IdleAt), (*stamp)(&s.ExpiresAt), &s.ID, (*fewTexts)(&s.Clients),
		}
	})

var seriesKind = newKind("connectid_series", `id version user_id epoch client_id agent current_hash
	previous_hash older_hash older_until presented_at rotated_at lost key_id fresh_at
	created_at used_at idle_at expires_at`,
	func(s *store.Series) []any {
		return []any{
			&s.ID, &s.Version, &s.UserID, &s.Epoch, &s.ClientID, &s.Agent, (*digest)(&s.Current),
			(*digest)(&s.Previous), (*digest)(&s.Older), (*stamp)(&s.OlderUntil), (*stamp)(&s.PresentedAt), (*stamp)(&s.RotatedAt), &s.Lost, &s.KeyID, (*stamp)(&s.FreshAt),
			(*stamp)(&s.CreatedAt), (*stamp)(&s.UsedAt), (*stamp)(&s.IdleAt), (*stamp)(&s.ExpiresAt),
		}
	})

var oneTimeKind = newKind("connectid_one_time_codes", `key mac kind identity client_id purpose created_at ends_at`,
	func(c *store.OneTimeCode) []any {
		return []any{
			(*digest)(&c.Key), (*digest)(&c.MAC), &c.Kind, &c.Identity, &c.ClientID, &c.Purpose, (*stamp)(&c.CreatedAt), (*stamp)(&c.ExpiresAt),
		}
	})

var runKind = newKind("connectid_runs", `id version flow state client_id browser data claim
	claim_until finished_at created_at ends_at`,
	func(r *store.Run) []any {
		return []any{
			&r.ID, &r.Version, &r.Flow, &r.State, &r.ClientID, (*digest)(&r.Browser), &r.Data, &r.Claim,
			(*stamp)(&r.ClaimUntil), (*stamp)(&r.FinishedAt), (*stamp)(&r.CreatedAt), (*stamp)(&r.ExpiresAt),
		}
	})

var codeKind = newKind("connectid_codes", `hash client_id grant_id user_id scope redirect_uri
	challenge session authenticated_at created_at ends_at session_id nonce resources dpop_key`,
	func(c *store.AuthorizationCode) []any {
		return []any{
			(*digest)(&c.Hash), &c.ClientID, &c.GrantID, &c.UserID, &c.Scope, &c.RedirectURI,
			&c.Challenge, (*digest)(&c.Session), (*stamp)(&c.AuthenticatedAt), (*stamp)(&c.CreatedAt), (*stamp)(&c.ExpiresAt),
			&c.SessionID, &c.Nonce, (*fewTexts)(&c.Resources), (*digest)(&c.DPoPKey),
		}
	})

var grantKind = newKind("connectid_grants", `id version client_id user_id scope authenticated_at generation
	refresh_hash previous_hash rotated_at key_id created_at refresh_expires ends_at
	session_id resources dpop_key`,
	func(g *store.Grant) []any {
		return []any{
			&g.ID, &g.Version, &g.ClientID, &g.UserID, &g.Scope, (*stamp)(&g.AuthenticatedAt), &g.Generation,
			(*digest)(&g.Refresh), (*digest)(&g.Previous), (*stamp)(&g.RotatedAt), &g.KeyID, (*stamp)(&g.CreatedAt), (*stamp)(&g.RefreshExpires), (*stamp)(&g.ExpiresAt),
			&g.SessionID, (*fewTexts)(&g.Resources), (*digest)(&g.DPoPKey),
		}
	})

var tokenKind = newKind("connectid_access_tokens", `hash grant_id client_id user_id scope created_at ends_at resources dpop_key`,
	func(t *store.AccessToken) []any {
		return []any{
			(*digest)(&t.Hash), &t.GrantID, &t.ClientID, &t.UserID, &t.Scope, (*stamp)(&t.CreatedAt), (*stamp)(&t.ExpiresAt),
			(*fewTexts)(&t.Resources), (*digest)(&t.DPoPKey),
		}
	})

// micro is the form in which times are kept.
func micro(t time.Time) int64 { return t.UnixMicro() }

// now is the time to which the ends of records are compared.
func now() int64 { return micro(time.Now()) }

// stamp is a time in microseconds.
type stamp time.Time

// Value implements [driver.Valuer].
func (s *stamp) Value() (driver.Value, error) { return micro(time.Time(*s)), nil }

// Scan implements [database/sql.Scanner].
func (s *stamp) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time is a %T, want an integer", v)
	}
	*s = stamp(time.UnixMicro(n).UTC())
	return nil
}

// digest is a digest as bytes, the zero one as NULL: it matches nothing, and is
// refused as a key.
type digest store.Digest

// Value implements [driver.Valuer].
func (d *digest) Value() (driver.Value, error) {
	if *d == (digest{}) {
		return nil, nil
	}
	return d[:], nil
}

// Scan implements [database/sql.Scanner].
func (d *digest) Scan(v any) error {
	if v == nil {
		*d = digest{}
		return nil
	}
	b, ok := v.([]byte)
	if !ok || len(b) != len(d) {
		return fmt.Errorf("a digest is a %T of %d bytes, want %d", v, len(b), len(d))
	}
	copy(d[:], b)
	return nil
}

// key returns a digest as an argument.
func key(d store.Digest) *digest { return (*digest)(&d) }

// texts is a list as JSON.
type texts []string

// Value implements [driver.Valuer].
func (t *texts) Value() (driver.Value, error) {
	b, err := json.Marshal([]string(*t))
	return string(b), err
}

// Scan implements [database/sql.Scanner].
func (t *texts) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a list is a %T, want a text", v)
	}
	return json.Unmarshal([]byte(s), (*[]string)(t))
}

// fewTexts is a list that most records do without: JSON, and the empty text for
// none, which costs nothing.
type fewTexts []string

// Value implements [driver.Valuer].
func (t *fewTexts) Value() (driver.Value, error) {
	if len(*t) == 0 {
		return "", nil
	}
	return (*texts)(t).Value()
}

// Scan implements [database/sql.Scanner].
func (t *fewTexts) Scan(v any) error {
	if v == "" {
		*t = nil
		return nil
	}
	return (*texts)(t).Scan(v)
}

// inJSON is a part of a record as JSON.
type inJSON[R any] struct{ of *R }

func asJSON[R any](of *R) *inJSON[R] { return &inJSON[R]{of} }

// Value implements [driver.Valuer].
func (j *inJSON[R]) Value() (driver.Value, error) {
	b, err := json.Marshal(j.of)
	return string(b), err
}

// Scan implements [database/sql.Scanner].
func (j *inJSON[R]) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("a part is a %T, want a text", v)
	}
	if err := json.Unmarshal([]byte(s), j.of); err != nil {
		return err
	}
	inUTC(j.of)
	return nil
}

// inUTC puts the times of users and credentials into UTC, which JSON keeps as
// they were written.
func inUTC(v any) {
	switch v := v.(type) {
	case *store.User:
		for _, t := range []*time.Time{&v.PasswordSetAt, &v.TermsAt, &v.CreatedAt, &v.UpdatedAt} {
			*t = t.UTC()
		}
		inUTC(&v.Credentials)
		for i := range v.Ties {
			v.Ties[i].TiedAt = v.Ties[i].TiedAt.UTC()
		}
	case *[]store.Credential:
		for i := range *v {
			c := &(*v)[i]
			c.VerifiedAt, c.AddedAt = c.VerifiedAt.UTC(), c.AddedAt.UTC()
		}
	}
}
