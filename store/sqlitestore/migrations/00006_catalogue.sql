-- +goose Up

-- More of customers and of subscriptions.
ALTER TABLE connectid_customers ADD COLUMN middle_name TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_customers ADD COLUMN department TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_customers ADD COLUMN invoice_email TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_subscriptions ADD COLUMN sharable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connectid_subscriptions ADD COLUMN share_type TEXT NOT NULL DEFAULT '';
ALTER TABLE connectid_subscriptions ADD COLUMN distribution_level TEXT NOT NULL DEFAULT '';

CREATE TABLE connectid_products (
	partner_id      TEXT NOT NULL CHECK (partner_id <> ''),
	code            TEXT NOT NULL CHECK (code <> ''),
	company_code    TEXT NOT NULL,
	description     TEXT NOT NULL,
	type            TEXT NOT NULL,
	category_types  TEXT NOT NULL,
	starts_at       INTEGER NOT NULL,
	ended_at        INTEGER NOT NULL,
	web_offer_price INTEGER NOT NULL,
	retail_price    INTEGER NOT NULL,
	currency        TEXT NOT NULL,
	vat_percent     INTEGER NOT NULL,
	vat_included    INTEGER NOT NULL,
	digital         INTEGER NOT NULL,
	shop            INTEGER NOT NULL,
	distribution    TEXT NOT NULL,
	updated_at      INTEGER NOT NULL,
	PRIMARY KEY (partner_id, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_coupons (
	partner_id     TEXT NOT NULL CHECK (partner_id <> ''),
	code           TEXT NOT NULL CHECK (code <> ''),
	number         INTEGER NOT NULL CHECK (number > 0),
	product        TEXT NOT NULL,
	description    TEXT NOT NULL,
	terms          TEXT NOT NULL,
	starts_at      INTEGER NOT NULL,
	ended_at       INTEGER NOT NULL,
	price          INTEGER NOT NULL,
	currency       TEXT NOT NULL,
	period         TEXT NOT NULL,
	extra_products TEXT NOT NULL,
	renewal        TEXT NOT NULL,
	marketing      TEXT NOT NULL,
	offered        INTEGER NOT NULL,
	invoice        INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL,
	PRIMARY KEY (partner_id, code, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_coupons_product ON connectid_coupons (partner_id, product, code, number);

CREATE TABLE connectid_vouchers (
	partner_id TEXT NOT NULL CHECK (partner_id <> ''),
	code       TEXT NOT NULL CHECK (code <> ''),
	coupons    TEXT NOT NULL,
	starts_at  INTEGER NOT NULL,
	ended_at   INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	spent_by   TEXT NOT NULL,
	spent_at   INTEGER NOT NULL,
	PRIMARY KEY (partner_id, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_articles (
	partner_id TEXT NOT NULL CHECK (partner_id <> ''),
	id         TEXT NOT NULL CHECK (id <> ''),
	free       INTEGER NOT NULL,
	products   TEXT NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (partner_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_accesses (
	id              TEXT PRIMARY KEY CHECK (id <> ''),
	partner_id      TEXT NOT NULL CHECK (partner_id <> ''),
	user_id         TEXT NOT NULL,
	customer_number INTEGER NOT NULL,
	product         TEXT NOT NULL,
	article_id      TEXT NOT NULL,
	subscription    TEXT NOT NULL,
	starts_at       INTEGER NOT NULL,
	ends_at         INTEGER NOT NULL,
	moved           TEXT NOT NULL,
	CHECK (user_id <> '' OR customer_number <> 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_accesses_user ON connectid_accesses (user_id) WHERE user_id <> '';
CREATE INDEX connectid_accesses_customer ON connectid_accesses (partner_id, customer_number) WHERE customer_number <> 0;
CREATE INDEX connectid_accesses_end ON connectid_accesses (ends_at);

CREATE TABLE connectid_organisations (
	partner_id TEXT NOT NULL CHECK (partner_id <> ''),
	id         TEXT NOT NULL CHECK (id <> ''),
	name       TEXT NOT NULL,
	marks      TEXT NOT NULL,
	products   TEXT NOT NULL,
	starts_at  INTEGER NOT NULL,
	ended_at   INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (partner_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE connectid_organisation_marks (
	partner_id TEXT NOT NULL,
	kind       TEXT NOT NULL,
	value      TEXT NOT NULL,
	id         TEXT NOT NULL,
	PRIMARY KEY (partner_id, kind, value, id),
	FOREIGN KEY (partner_id, id) REFERENCES connectid_organisations (partner_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_organisation_marks_of ON connectid_organisation_marks (partner_id, id);
