package keys_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
)

func secret(seed byte) []byte {
	s := make([]byte, 32)
	for i := range s {
		s[i] = seed + byte(i)
	}
	return s
}

func ring(t *testing.T, secrets ...[]byte) *keys.Ring {
	t.Helper()
	r, err := keys.New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNewRefusesWeakKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		keys [][]byte
		want string
	}{
		{"none", nil, "no key"},
		{"empty", [][]byte{{}}, "key 0 is too short"},
		{"short", [][]byte{secret(1), secret(2)[:31]}, "key 1 is too short: 31 bytes"},
		{"constant", [][]byte{make([]byte, 32)}, "the same byte all through"},
		{"twice", [][]byte{secret(1), secret(1)}, "key 1 is key 0 again"},
	} {
		if _, err := keys.New(tt.keys); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v; want it to say %q", tt.name, err, tt.want)
		}
	}
	if _, err := keys.New([][]byte{{}, make([]byte, 40)}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("error %v; want both faults", err)
	}
}

func TestMACSeparates(t *testing.T) {
	t.Parallel()
	r := ring(t, secret(1))
	base := r.MAC("p", "ab", "c")
	if base != ring(t, secret(1)).MAC("p", "ab", "c") {
		t.Error("the MAC differs after a restart")
	}
	for name, other := range map[string]any{
		"purpose": r.MAC("q", "ab", "c"), "boundary": r.MAC("p", "a", "bc"), "parts": r.MAC("p", "abc"), "key": ring(t, secret(2)).MAC("p", "ab", "c"),
	} {
		if other == base {
			t.Errorf("another %s gives the same MAC", name)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old, rotated := ring(t, secret(1)), ring(t, secret(2), secret(1))
	sealed, err := old.Codec("p", time.Hour, true).Seal("name", []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rotated.Codec("p", time.Hour, true).Open("name", sealed); err != nil || string(got) != "value" {
		t.Errorf("the old key does not open any more: %q, %v", got, err)
	}
	if _, err := ring(t, secret(2)).Codec("p", time.Hour, true).Open("name", sealed); !errors.Is(err, keys.ErrSeal) {
		t.Errorf("a removed key still opens: %v", err)
	}
	want := old.MAC("p", "x")
	if got, ok := rotated.MACWith(old.ID(), "p", "x"); !ok || got != want {
		t.Error("the old key's MAC can not be made any more")
	}
	if rotated.MAC("p", "x") == want || rotated.ID() == old.ID() {
		t.Error("the first key is not the one that is used")
	}
	if _, ok := rotated.MACWith("nosuchkey", "p", "x"); ok {
		t.Error("an unknown key id has a MAC")
	}
}

func TestCodec(t *testing.T) {
	t.Parallel()
	r := ring(t, secret(1))
	for _, encrypt := range []bool{false, true} {
		c := r.Codec("p", time.Hour, encrypt)
		value := bytes.Repeat([]byte("long "), 2000) // securecookie's own limit is 4096
		kept := bytes.Clone(value)
		sealed, err := c.Seal("name", value)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(value, kept) {
			t.Error("sealing changed the caller's bytes")
		}
		if got, err := c.Open("name", sealed); err != nil || !bytes.Equal(got, value) {
			t.Errorf("open: %v", err)
		}
		for name, open := range map[string]func() ([]byte, error){
			"another name":    func() ([]byte, error) { return c.Open("other", sealed) },
			"another purpose": func() ([]byte, error) { return r.Codec("q", time.Hour, encrypt).Open("name", sealed) },
			"a changed byte":  func() ([]byte, error) { return c.Open("name", "A"+sealed[1:]) },
			"a part of it":    func() ([]byte, error) { return c.Open("name", sealed[:len(sealed)/2]) },
			"nothing":         func() ([]byte, error) { return c.Open("name", "") },
		} {
			if got, err := open(); !errors.Is(err, keys.ErrSeal) || got != nil {
				t.Errorf("%s opens: %q, %v", name, got, err)
			}
		}
	}
}

func TestCodecAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ring(t, secret(1)).Codec("p", time.Hour, false)
		sealed, err := c.Seal("name", []byte("v"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := c.Open("name", sealed); err != nil {
			t.Errorf("after an hour: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := c.Open("name", sealed); !errors.Is(err, keys.ErrSeal) {
			t.Errorf("after more than an hour: %v", err)
		}
	})
}

// FuzzOpen: what was not sealed does not open.
func FuzzOpen(f *testing.F) {
	r, err := keys.New([][]byte{secret(1)})
	if err != nil {
		f.Fatal(err)
	}
	c := r.Codec("p", time.Hour, true)
	sealed, err := c.Seal("name", []byte("value"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add("MTIzfGFiY3xkZWY=")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := c.Open("name", s); err == nil && string(got) != "value" {
			t.Errorf("%q opens to %q", s, got)
		}
	})
}

func BenchmarkMAC(b *testing.B) {
	r, err := keys.New([][]byte{secret(1)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.MAC("p", "some value that is hashed", "another")
	}
}
