package keys_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/connectid-kit/connectid/internal/keys"
)

func TestSealForStore(t *testing.T) {
	t.Parallel()
	first, second := bytes.Repeat([]byte("first   "), 4), bytes.Repeat([]byte("second  "), 4)
	old, both, other := ring(t, first), ring(t, second, first), ring(t, second)
	value := []byte("a private key")
	sealed, err := old.Seal("signing", "kid", value)
	if err != nil || bytes.Contains(sealed, value) {
		t.Fatalf("Seal = %q, %v", sealed, err)
	}
	if again, _ := old.Seal("signing", "kid", value); bytes.Equal(again, sealed) {
		t.Error("two seals of one value are the same")
	}
	for name, r := range map[string]*keys.Ring{"same ring": old, "rotated ring": both} {
		if got, id, err := r.Open("signing", "kid", sealed); err != nil || !bytes.Equal(got, value) || id != old.ID() {
			t.Errorf("%s: Open = %q, %q, %v", name, got, id, err)
		}
	}
	if sealed, err := both.Seal("signing", "kid", value); err != nil {
		t.Error(err)
	} else if _, _, err := old.Open("signing", "kid", sealed); !errors.Is(err, keys.ErrSeal) {
		t.Errorf("a rotated ring seals with its old key: %v", err)
	}
	refused := func(name string, r *keys.Ring, purpose, context string, sealed []byte) {
		t.Helper()
		if got, _, err := r.Open(purpose, context, sealed); !errors.Is(err, keys.ErrSeal) || got != nil {
			t.Errorf("%s: Open = %q, %v", name, got, err)
		}
	}
	refused("key gone", other, "signing", "kid", sealed)
	refused("other purpose", old, "signin", "gkid", sealed)
	refused("other context", old, "signing", "kid2", sealed)
	refused("nothing", old, "signing", "kid", nil)
	for i := range sealed {
		bad := slices.Clone(sealed)
		bad[i] ^= 1
		refused("a changed byte", old, "signing", "kid", bad)
		refused("cut", old, "signing", "kid", sealed[:i])
	}
	if empty, err := old.Seal("signing", "kid", nil); err != nil {
		t.Error(err)
	} else if got, _, err := old.Open("signing", "kid", empty); err != nil || len(got) != 0 {
		t.Errorf("empty: %q, %v", got, err)
	}
}
