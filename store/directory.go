package store

import (
	"context"
	"iter"
	"time"
)

// DirectoryLink ties a user to a person in a company directory (ConnectID:
// "URL: azure").
type DirectoryLink struct {
	Directory string // the id of the configuration under which the user signed up
	UserID    string
	Tenant    string // the company, in the directory's own terms
	ObjectID  string // the person in that company
	CreatedAt time.Time
}

// DirectoryLinks keeps who is whom in company directories. A person is Tenant and
// ObjectID together, compared exactly, and never anything that can be given to
// someone else, such as an e-mail address.
type DirectoryLinks interface {
	// PutDirectoryLink inserts the link, or returns ErrConflict when the user has
	// one in that directory, or when the person is linked to another user, in
	// whichever directory. Of many concurrent callers who link one person exactly
	// one succeeds.
	PutDirectoryLink(ctx context.Context, l DirectoryLink) error
	// DirectoryLink returns the user's link in the directory, or ErrNotFound.
	DirectoryLink(ctx context.Context, directory, userID string) (DirectoryLink, error)
	// DirectoryLinks lists the user's links, the oldest first.
	DirectoryLinks(ctx context.Context, userID string) iter.Seq2[DirectoryLink, error]
	// DirectoryUser returns the ID of the user to whom the person is linked, or
	// ErrNotFound.
	DirectoryUser(ctx context.Context, tenant, objectID string) (string, error)
	// DeleteDirectoryLink removes the user's link in the directory; no error when
	// there is none. A person without any link left is free.
	DeleteDirectoryLink(ctx context.Context, directory, userID string) error
	// DeleteUserDirectoryLinks removes all of the user's links and returns how
	// many there were.
	DeleteUserDirectoryLinks(ctx context.Context, userID string) (int, error)
}
