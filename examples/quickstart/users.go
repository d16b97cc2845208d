package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/store"
)

// readers are the accounts that exist from the start.
var readers = []infoUser{
	{Name: "Kari Nordmann", Credential: "kari.nordmann@example.com", Mobile: "+4740000001", Password: "nordlys-over-fjorden"},
	{Name: "Ola Svensson", Credential: "ola.svensson@example.com"},
	// Kari's other account, for her to bring in.
	{Name: "Kari Nordmann", Credential: "kari@nordmann-bygg.example.com", Password: "hammer-og-spiker"},
}

// addReaders creates the readers who do not exist yet. Those who do are left as
// they are: passwords changed in the demo stay changed.
func addReaders(ctx context.Context, users store.Users) error {
	for _, r := range readers {
		mail, err := account.ParseCredential(r.Credential, "NO")
		if err != nil {
			return fmt.Errorf("%s: %w", r.Credential, err)
		}
		_, err = users.UserByCredential(ctx, mail.Kind, mail.Identity)
		if err == nil {
			continue
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		now := time.Now().UTC()
		u := store.User{
			ID:        hex.EncodeToString(random(16)),
			Number:    int64(binary.BigEndian.Uint64(random(8)) >> 11), // 53 bits: exact in JSON
			Language:  "nb",
			TermsAt:   now,
			CreatedAt: now, UpdatedAt: now,
		}
		if _, err := fmt.Sscan(r.Name, &u.FirstName, &u.LastName); err != nil {
			return fmt.Errorf("name %q: %w", r.Name, err)
		}
		for _, raw := range []string{r.Credential, r.Mobile} {
			if raw == "" {
				continue
			}
			c, err := account.ParseCredential(raw, "NO")
			if err != nil {
				return fmt.Errorf("%s: %w", raw, err)
			}
			u.Credentials = append(u.Credentials, store.Credential{
				Kind: c.Kind, Identity: c.Identity, Spelling: c.Spelling, VerifiedAt: now, AddedAt: now,
			})
		}
		if r.Password != "" {
			u.PasswordHash, u.PasswordSetAt = passwordHash(r.Password), now
		}
		if err := users.CreateUser(ctx, u); err != nil {
			return fmt.Errorf("%s: %w", r.Credential, err)
		}
	}
	return nil
}

// passwordHash writes a password as the kit keeps it: argon2id in the PHC string
// format. An import of users from elsewhere writes its records like this.
func passwordHash(password string) string {
	const passes, memory, lanes = 2, 19 << 10, 1
	salt := random(16)
	sum := argon2.IDKey([]byte(password), salt, passes, memory, lanes, 32)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, b64(salt), b64(sum))
}
