-- +goose Up

-- What stays of an account that another has absorbed: where its ID leads, and
-- its number, which nobody else gets.
CREATE TABLE connectid_absorbed (
	id      TEXT PRIMARY KEY CHECK (id <> ''),
	number  INTEGER NOT NULL UNIQUE,
	user_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_absorbed_user ON connectid_absorbed (user_id);

-- Both accounts as they were, for as long as the merge can be undone. Users,
-- links and credentials are JSON.
CREATE TABLE connectid_merges (
	id            TEXT PRIMARY KEY CHECK (id <> ''),
	version       INTEGER NOT NULL,
	client_id     TEXT NOT NULL,
	survivor      TEXT NOT NULL,
	absorbed      TEXT NOT NULL,
	before_merge  TEXT NOT NULL,
	taken         TEXT NOT NULL,
	hosted        INTEGER NOT NULL,
	links         TEXT NOT NULL,
	owed          TEXT NOT NULL,
	merged_at     INTEGER NOT NULL,
	settle_at     INTEGER NOT NULL,
	ended_at      INTEGER NOT NULL,
	undo_until    INTEGER NOT NULL,
	undone_at     INTEGER NOT NULL,
	ends_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connectid_merges_survivor ON connectid_merges (survivor);
CREATE INDEX connectid_merges_settle ON connectid_merges (settle_at) WHERE settle_at > -62135596800000000;
CREATE INDEX connectid_merges_end ON connectid_merges (ends_at);
