-- +goose Up

-- A user may be tied to a person in each partner's systems. What a tie says is
-- a list in the user's record; connectid_ties keeps the numbers unique.

ALTER TABLE connectid_users DROP COLUMN customer_number;
ALTER TABLE connectid_users ADD COLUMN ties TEXT NOT NULL DEFAULT '[]';

CREATE TABLE connectid_ties (
	kind       TEXT NOT NULL,
	partner_id TEXT NOT NULL,
	number     TEXT NOT NULL,
	user_id    TEXT NOT NULL REFERENCES connectid_users (id) ON DELETE CASCADE,
	PRIMARY KEY (kind, partner_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_ties_user ON connectid_ties (user_id);

CREATE TABLE connectid_customers (
	partner_id   TEXT NOT NULL CHECK (partner_id <> ''),
	number       INTEGER NOT NULL CHECK (number > 0),
	key          TEXT, -- NULL for none
	first_name   TEXT NOT NULL,
	last_name    TEXT NOT NULL,
	company_name TEXT NOT NULL,
	street       TEXT NOT NULL,
	postal_code  TEXT NOT NULL,
	city         TEXT NOT NULL,
	country      TEXT NOT NULL,
	contacts     TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	PRIMARY KEY (partner_id, number),
	UNIQUE (partner_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_customer_contacts (
	partner_id TEXT NOT NULL,
	kind       TEXT NOT NULL,
	identity   TEXT NOT NULL,
	number     INTEGER NOT NULL,
	PRIMARY KEY (partner_id, kind, identity, number),
	FOREIGN KEY (partner_id, number) REFERENCES connectid_customers (partner_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_customer_contacts_number ON connectid_customer_contacts (partner_id, number);

-- The highest number that a partner ever gave out.
CREATE TABLE connectid_customer_numbers (
	partner_id TEXT PRIMARY KEY,
	last       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_subscriptions (
	id              TEXT PRIMARY KEY CHECK (id <> ''),
	partner_id      TEXT NOT NULL,
	customer_number INTEGER NOT NULL,
	product         TEXT NOT NULL,
	name            TEXT NOT NULL,
	starts_at       INTEGER NOT NULL,
	ended_at        INTEGER NOT NULL,
	stopped         INTEGER NOT NULL,
	paid            INTEGER NOT NULL,
	price           INTEGER NOT NULL,
	currency        TEXT NOT NULL,
	payment         TEXT NOT NULL,
	created_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_subscriptions_customer ON connectid_subscriptions (partner_id, customer_number, starts_at DESC, id);

CREATE TABLE connectid_memberships (
	partner_id   TEXT NOT NULL CHECK (partner_id <> ''),
	number       TEXT NOT NULL CHECK (number <> ''),
	first_name   TEXT NOT NULL,
	last_name    TEXT NOT NULL,
	postal_code  TEXT NOT NULL,
	city         TEXT NOT NULL,
	organisation TEXT NOT NULL,
	contacts     TEXT NOT NULL,
	starts_at    INTEGER NOT NULL,
	ended_at     INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	PRIMARY KEY (partner_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_membership_contacts (
	partner_id TEXT NOT NULL,
	kind       TEXT NOT NULL,
	identity   TEXT NOT NULL,
	number     TEXT NOT NULL,
	PRIMARY KEY (partner_id, kind, identity, number),
	FOREIGN KEY (partner_id, number) REFERENCES connectid_memberships (partner_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_membership_contacts_number ON connectid_membership_contacts (partner_id, number);
