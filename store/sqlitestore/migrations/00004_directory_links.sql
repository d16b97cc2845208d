-- +goose Up

-- A person (tenant, object_id) is one user, in however many directories; that is
-- checked in the transaction that inserts, of which there is one at a time.
CREATE TABLE connectid_directory_links (
	directory  TEXT NOT NULL CHECK (directory <> ''),
	user_id    TEXT NOT NULL CHECK (user_id <> ''),
	tenant     TEXT NOT NULL CHECK (tenant <> ''),
	object_id  TEXT NOT NULL CHECK (object_id <> ''),
	created_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, directory),
	UNIQUE (tenant, object_id, directory)
) STRICT, WITHOUT ROWID;
