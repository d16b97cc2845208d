-- +goose Up

ALTER TABLE connectid_clients ADD COLUMN payment_secrets TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_clients ADD COLUMN price_override INTEGER NOT NULL DEFAULT 0;

-- Orders and payments change in one transaction. Amounts are minor units.

CREATE TABLE connectid_orders (
	id              INTEGER PRIMARY KEY CHECK (id > 0),
	partner_id      TEXT NOT NULL CHECK (partner_id <> ''),
	client_id       TEXT NOT NULL CHECK (client_id <> ''),
	external_id     TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	version         INTEGER NOT NULL CHECK (version > 0),
	body            BLOB,
	user_id         TEXT NOT NULL,
	customer_number INTEGER NOT NULL,
	status          TEXT NOT NULL,
	method          TEXT NOT NULL,
	merchant_id     TEXT NOT NULL,
	amount          INTEGER NOT NULL,
	currency        TEXT NOT NULL,
	payment_id      TEXT NOT NULL,
	data            BLOB,
	ordered_at      INTEGER NOT NULL,
	updated_at      INTEGER NOT NULL,
	moved           TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX connectid_orders_external ON connectid_orders (client_id, external_id) WHERE external_id <> '';
CREATE INDEX connectid_orders_user ON connectid_orders (user_id, created_at DESC, id) WHERE user_id <> '';

CREATE TABLE connectid_payments (
	id           TEXT PRIMARY KEY CHECK (id <> ''),
	partner_id   TEXT NOT NULL CHECK (partner_id <> ''),
	client_id    TEXT NOT NULL CHECK (client_id <> ''),
	reference    TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	version      INTEGER NOT NULL CHECK (version > 0),
	user_id      TEXT NOT NULL,
	orders       TEXT NOT NULL,
	attempt      BLOB,
	method       TEXT NOT NULL,
	merchant_id  TEXT NOT NULL,
	amount       INTEGER NOT NULL,
	currency     TEXT NOT NULL,
	recurring    INTEGER NOT NULL,
	status       TEXT NOT NULL,
	provider_ref TEXT NOT NULL,
	data         BLOB,
	updated_at   INTEGER NOT NULL,
	moved        TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX connectid_payments_reference ON connectid_payments (client_id, reference) WHERE reference <> '';
CREATE INDEX connectid_payments_user ON connectid_payments (user_id, created_at DESC, id) WHERE user_id <> '';
