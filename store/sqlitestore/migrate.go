package sqlitestore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// errNewer refuses a file that a later version of this package has changed.
var errNewer = errors.New("the file is newer than the program")

// migrate brings the schema up to date. Several processes may do so at once:
// each step is one transaction, and who comes too late for one looks again.
func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("sqlitestore: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir,
		goose.WithTableName("connectid_migrations"), goose.WithDisableGlobalRegistry(true),
		goose.WithAllowOutofOrder(true)) // steps that were made side by side do not wait for each other
	if err != nil {
		return fmt.Errorf("sqlitestore: %w", err)
	}
	for attempt := range 10 {
		if err = up(ctx, p); err == nil || errors.Is(err, errNewer) || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(attempt+1) * 20 * time.Millisecond):
		}
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", fault(ctx, err))
	}
	return nil
}

func up(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("%w: the schema has version %d, this program knows %d", errNewer, current, target)
	}
	pending, err := p.HasPending(ctx)
	if err != nil || !pending {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
