package entra

import (
	"context"

	"github.com/connectid-kit/connectid/flows/directory"
)

// Verify is the judging of a token alone, for the fuzz target: what goes over the
// network differs from run to run.
func (d *Directory) Verify(ctx context.Context, token, nonce string) (directory.Identity, error) {
	m, err := d.meta.get(ctx, nil)
	if err != nil {
		return directory.Identity{}, err
	}
	return d.verify(ctx, m, token, nonce, "")
}
