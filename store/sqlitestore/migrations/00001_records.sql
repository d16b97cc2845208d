-- +goose Up

-- Times are microseconds since 1970 in UTC; the zero time of Go is
-- -62135596800000000. Digests are 32 bytes, NULL for none. Lists are JSON.
-- ends_at is when a record is absent by itself.

CREATE TABLE connectid_clients (
	id                         TEXT PRIMARY KEY CHECK (id <> ''),
	partner_id                 TEXT NOT NULL,
	disabled                   INTEGER NOT NULL,
	name                       TEXT NOT NULL,
	description                TEXT NOT NULL,
	homepage                   TEXT NOT NULL,
	customer_care_phone        TEXT NOT NULL,
	customer_care_email        TEXT NOT NULL,
	product                    TEXT NOT NULL,
	subscription_terms_url     TEXT NOT NULL,
	user_terms_url             TEXT NOT NULL,
	language                   TEXT NOT NULL,
	region                     TEXT NOT NULL,
	gui_version                INTEGER NOT NULL,
	targets                    TEXT NOT NULL,
	redirect_uris              TEXT NOT NULL,
	insecure_redirect_prefixes TEXT NOT NULL,
	insecure_allow_http        INTEGER NOT NULL,
	public                     INTEGER NOT NULL,
	secrets                    TEXT NOT NULL,
	grant_types                TEXT NOT NULL,
	scopes                     TEXT NOT NULL,
	insecure_skip_pkce         INTEGER NOT NULL,
	omit_issuer                INTEGER NOT NULL,
	keep_refresh_token         INTEGER NOT NULL,
	may_introspect             INTEGER NOT NULL,
	access_lifetime            INTEGER NOT NULL,
	refresh_lifetime           INTEGER NOT NULL,
	password_optional          INTEGER NOT NULL,
	calls_per_minute           INTEGER NOT NULL,
	calls_per_second           INTEGER NOT NULL,
	sends_per_hour             INTEGER NOT NULL,
	updated_at                 INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_client_origins (
	origin    TEXT NOT NULL,
	client_id TEXT NOT NULL REFERENCES connectid_clients (id) ON DELETE CASCADE,
	PRIMARY KEY (origin, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_client_origins_client ON connectid_client_origins (client_id);

CREATE TABLE connectid_users (
	id              TEXT PRIMARY KEY CHECK (id <> ''),
	number          INTEGER NOT NULL UNIQUE,
	version         INTEGER NOT NULL,
	epoch           INTEGER NOT NULL,
	blocked         INTEGER NOT NULL,
	password_hash   TEXT NOT NULL,
	password_set_at INTEGER NOT NULL,
	first_name      TEXT NOT NULL,
	last_name       TEXT NOT NULL,
	language        TEXT NOT NULL,
	terms_at        INTEGER NOT NULL,
	customer_number INTEGER NOT NULL,
	created_at      INTEGER NOT NULL,
	updated_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_credentials (
	kind        TEXT NOT NULL,
	identity    TEXT NOT NULL,
	user_id     TEXT NOT NULL REFERENCES connectid_users (id) ON DELETE CASCADE,
	position    INTEGER NOT NULL,
	spelling    TEXT NOT NULL,
	verified_at INTEGER NOT NULL,
	added_at    INTEGER NOT NULL,
	PRIMARY KEY (kind, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_credentials_user ON connectid_credentials (user_id, position);

CREATE TABLE connectid_sessions (
	handle     BLOB PRIMARY KEY,
	check_hash BLOB UNIQUE,
	user_id    TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	method     TEXT NOT NULL,
	agent      TEXT NOT NULL,
	fresh_at   INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL,
	idle_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	ends_at    INTEGER AS (min(idle_at, expires_at))
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_sessions_user ON connectid_sessions (user_id) WHERE user_id <> '';
CREATE INDEX connectid_sessions_end ON connectid_sessions (ends_at);

CREATE TABLE connectid_series (
	id             TEXT PRIMARY KEY CHECK (id <> ''),
	version        INTEGER NOT NULL,
	user_id        TEXT NOT NULL,
	epoch          INTEGER NOT NULL,
	client_id      TEXT NOT NULL,
	agent          TEXT NOT NULL,
	current_hash   BLOB,
	previous_hash  BLOB,
	older_hash     BLOB,
	older_until    INTEGER NOT NULL,
	presented_at   INTEGER NOT NULL,
	rotated_at     INTEGER NOT NULL,
	lost           INTEGER NOT NULL,
	key_id         TEXT NOT NULL,
	fresh_at       INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	used_at        INTEGER NOT NULL,
	idle_at        INTEGER NOT NULL,
	expires_at     INTEGER NOT NULL,
	ends_at        INTEGER AS (min(idle_at, expires_at))
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_series_user ON connectid_series (user_id) WHERE user_id <> '';
CREATE INDEX connectid_series_end ON connectid_series (ends_at);

CREATE TABLE connectid_one_time_codes (
	key        BLOB PRIMARY KEY,
	mac        BLOB,
	kind       TEXT NOT NULL,
	identity   TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	purpose    TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_one_time_codes_credential ON connectid_one_time_codes (kind, identity);
CREATE INDEX connectid_one_time_codes_end ON connectid_one_time_codes (ends_at);

CREATE TABLE connectid_runs (
	id          TEXT PRIMARY KEY CHECK (id <> ''),
	version     INTEGER NOT NULL,
	flow        TEXT NOT NULL,
	state       TEXT NOT NULL,
	client_id   TEXT NOT NULL,
	browser     BLOB,
	data        BLOB,
	claim       TEXT NOT NULL,
	claim_until INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	ends_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_runs_end ON connectid_runs (ends_at);

CREATE TABLE connectid_codes (
	hash             BLOB PRIMARY KEY,
	client_id        TEXT NOT NULL,
	grant_id         TEXT NOT NULL,
	user_id          TEXT NOT NULL,
	scope            TEXT NOT NULL,
	redirect_uri     TEXT NOT NULL,
	challenge        TEXT NOT NULL,
	session          BLOB,
	authenticated_at INTEGER NOT NULL,
	created_at       INTEGER NOT NULL,
	ends_at          INTEGER NOT NULL,
	used             INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_codes_user ON connectid_codes (user_id);
CREATE INDEX connectid_codes_client ON connectid_codes (client_id);
CREATE INDEX connectid_codes_end ON connectid_codes (ends_at);

CREATE TABLE connectid_grants (
	id               TEXT PRIMARY KEY CHECK (id <> ''),
	version          INTEGER NOT NULL,
	client_id        TEXT NOT NULL,
	user_id          TEXT NOT NULL,
	scope            TEXT NOT NULL,
	authenticated_at INTEGER NOT NULL,
	generation       INTEGER NOT NULL,
	refresh_hash     BLOB,
	previous_hash    BLOB,
	rotated_at       INTEGER NOT NULL,
	key_id           TEXT NOT NULL,
	created_at       INTEGER NOT NULL,
	refresh_expires  INTEGER NOT NULL,
	ends_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_grants_user ON connectid_grants (user_id);
CREATE INDEX connectid_grants_client ON connectid_grants (client_id);
CREATE INDEX connectid_grants_end ON connectid_grants (ends_at);

-- Tombstones of revoked grants.
CREATE TABLE connectid_revoked (
	id      TEXT PRIMARY KEY CHECK (id <> ''),
	ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_revoked_end ON connectid_revoked (ends_at);

CREATE TABLE connectid_access_tokens (
	hash       BLOB PRIMARY KEY,
	grant_id   TEXT NOT NULL,
	client_id  TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	scope      TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_access_tokens_grant ON connectid_access_tokens (grant_id) WHERE grant_id <> '';
CREATE INDEX connectid_access_tokens_user ON connectid_access_tokens (user_id) WHERE user_id <> '';
CREATE INDEX connectid_access_tokens_client ON connectid_access_tokens (client_id);
CREATE INDEX connectid_access_tokens_end ON connectid_access_tokens (ends_at);

CREATE TABLE connectid_counters (
	key     TEXT PRIMARY KEY,
	n       INTEGER NOT NULL,
	ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_counters_end ON connectid_counters (ends_at);
