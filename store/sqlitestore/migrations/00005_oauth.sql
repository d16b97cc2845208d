-- +goose Up

-- Lists that most records do without are empty texts for none, else JSON.

ALTER TABLE connectid_clients ADD COLUMN consent_required INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connectid_clients ADD COLUMN require_par INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connectid_clients ADD COLUMN require_dpop INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connectid_clients ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_clients ADD COLUMN backchannel_logout_uri TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_clients ADD COLUMN id_token_alg TEXT NOT NULL DEFAULT '';

-- Sessions that are there get a public ID each: it opens nothing.
ALTER TABLE connectid_sessions ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_sessions ADD COLUMN clients TEXT NOT NULL DEFAULT '';
UPDATE connectid_sessions SET id = lower(hex(randomblob(16)));

ALTER TABLE connectid_codes ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_codes ADD COLUMN nonce TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_codes ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_codes ADD COLUMN dpop_key BLOB;

ALTER TABLE connectid_grants ADD COLUMN session_id TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_grants ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_grants ADD COLUMN dpop_key BLOB;

ALTER TABLE connectid_access_tokens ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_access_tokens ADD COLUMN dpop_key BLOB;

CREATE TABLE connectid_tickets (
	kind       TEXT NOT NULL CHECK (kind <> ''),
	hash       BLOB NOT NULL,
	client_id  TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	grant_id   TEXT NOT NULL,
	data       BLOB,
	created_at INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL,
	used       INTEGER NOT NULL,
	PRIMARY KEY (kind, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_tickets_user ON connectid_tickets (user_id) WHERE user_id <> '';
CREATE INDEX connectid_tickets_end ON connectid_tickets (ends_at);

-- private is sealed by the kit.
CREATE TABLE connectid_signing_keys (
	id         TEXT PRIMARY KEY CHECK (id <> ''),
	alg        TEXT NOT NULL,
	generation INTEGER NOT NULL,
	private    BLOB,
	public     BLOB,
	created_at INTEGER NOT NULL,
	signs_at   INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL,
	UNIQUE (alg, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_consents (
	user_id   TEXT NOT NULL CHECK (user_id <> ''),
	client_id TEXT NOT NULL CHECK (client_id <> ''),
	scopes    TEXT NOT NULL,
	given_at  INTEGER NOT NULL,
	PRIMARY KEY (user_id, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_deliveries (
	kind       TEXT NOT NULL CHECK (kind <> ''),
	id         TEXT NOT NULL CHECK (id <> ''),
	data       BLOB,
	attempts   INTEGER NOT NULL,
	due_at     INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_deliveries_due ON connectid_deliveries (kind, due_at);
CREATE INDEX connectid_deliveries_end ON connectid_deliveries (ends_at);
