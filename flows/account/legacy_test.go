package account_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/connectid-kit/connectid/flows/account"
)

// b64 writes the bytes of a printed vector as the PHC string format does.
func b64(t testing.TB, hexadecimal string) string {
	t.Helper()
	b, err := hex.DecodeString(hexadecimal)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

// vectors are hashes that other programs have made.
func vectors(t testing.TB) []struct{ name, password, hash string } {
	return []struct{ name, password, hash string }{
		{"scrypt, RFC 7914 section 12", "pleaseletmein", "$scrypt$ln=14,r=8,p=1$" + b64(t, hex.EncodeToString([]byte("SodiumChloride"))) + "$" +
			b64(t, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887")},
		{"scrypt, passlib", "password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"},
		{"scrypt, Django", "lètmein", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="},
		{"scrypt, Django, five lanes", "lètmein", "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw=="},
		{"PBKDF2, passlib", "password", "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M"},
		{"PBKDF2, passlib, dots", "password", "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44"},
		{"PBKDF2, PHC", "password", "$pbkdf2-sha256$i=6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M"},
		{"PBKDF2, PHC with length", "password", "$pbkdf2-sha256$i=6400,l=32$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M"},
		{"PBKDF2 with SHA-1, RFC 6070", "password", "$pbkdf2$4096$" + b64(t, hex.EncodeToString([]byte("salt"))) + "$" + b64(t, "4b007901b765489abead49d926f721d065a429c1")},
		{"PBKDF2, Django", "lètmein", "pbkdf2_sha256$260000$seasalt2$UCGMhrOoaq1ghQPArIBK5RkI6IZLRxlIwHWA1dMy7y8="},
		{"PBKDF2 with SHA-1, Django", "lètmein", "pbkdf2_sha1$260000$seasalt2$wAibXvW6jgvatCdONi6SMJ6q7mI="},
		{"phpass, its own test", "test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"},
		{"phpass, WordPress", "!?!#?#?#$&@&@!&@", "$P$Buvd5FQxkeXJnDarN7..wRMwRKJeZ40"},
		{"phpass, phpBB", "123456", "$H$9PE8jEklgZhgLmZl5.HYJAzfGCQtzi1"},
		{"phpass, phpBB, short", "test1", "$H$9aaaaaSXBjgypwqm.JsMssPLiS8YQ00"},
		{"phpass, not ASCII", "ąćęłóńśźż", "$P$ByXWbzDvVAJ0jxvNp5sv4xYPIRXJJ1."},
		{"bcrypt, its authors", "allmine", "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"},
	}
}

func verifierOf(hash string) account.Verifier {
	for _, v := range account.LegacyVerifiers() {
		if v.Handles(hash) {
			return v
		}
	}
	return nil
}

func TestLegacyVectors(t *testing.T) {
	t.Parallel()
	for _, c := range vectors(t) {
		v := verifierOf(c.hash)
		if v == nil {
			t.Errorf("%s: no verifier", c.name)
			continue
		}
		if ok, err := v.Verify(c.hash, c.password); !ok || err != nil {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
		for _, wrong := range []string{"", c.password + "x"} {
			if ok, err := v.Verify(c.hash, wrong); ok || err != nil {
				t.Errorf("%s with %q: %v, %v", c.name, wrong, ok, err)
			}
		}
	}
}

// A damaged hash, or one that would take more work than is sensible, is refused
// at once.
func TestLegacyRefuses(t *testing.T) {
	t.Parallel()
	const (
		salt = "aM15713r3Xsvxbi31lqr1Q"
		key  = "nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"
	)
	hashes := map[string]string{
		"scrypt: all the memory":         "$scrypt$ln=30,r=8,p=1$" + salt + "$" + key,
		"scrypt: a quarter of a GiB":     "$scrypt$ln=18,r=8,p=1$" + salt + "$" + key,
		"scrypt: many lanes":             "$scrypt$ln=16,r=8,p=5$" + salt + "$" + key,
		"scrypt: overflow":               "$scrypt$ln=16,r=99999999999999999999,p=1$" + salt + "$" + key,
		"scrypt: no work":                "$scrypt$ln=0,r=8,p=1$" + salt + "$" + key,
		"scrypt: negative":               "$scrypt$ln=-1,r=8,p=1$" + salt + "$" + key,
		"scrypt: leading zero":           "$scrypt$ln=014,r=8,p=1$" + salt + "$" + key,
		"scrypt: order":                  "$scrypt$r=8,ln=14,p=1$" + salt + "$" + key,
		"scrypt: twice":                  "$scrypt$ln=14,r=8,p=1,p=1$" + salt + "$" + key,
		"scrypt: no key":                 "$scrypt$ln=14,r=8,p=1$" + salt + "$",
		"scrypt: short key":              "$scrypt$ln=14,r=8,p=1$" + salt + "$nFNh",
		"scrypt: long key":               "$scrypt$ln=14,r=8,p=1$" + salt + "$" + key + key,
		"scrypt: no salt":                "$scrypt$ln=14,r=8,p=1$$" + key,
		"scrypt: bad base64":             "$scrypt$ln=14,r=8,p=1$" + salt + "$" + key[:42] + "*",
		"scrypt: bits that mean nothing": "$scrypt$ln=14,r=8,p=1$" + salt + "$" + key[:42] + "F",
		"scrypt: a line break":           "$scrypt$ln=14,r=8,p=1$" + salt + "$" + key + "\n",
		"scrypt: a part too many":        "$scrypt$ln=14,r=8,p=1$" + salt + "$" + key + "$",
		"scrypt: Django, all the memory": "scrypt$1073741824$salt$8$1$" + key,
		"scrypt: Django, not a power":    "scrypt$16383$salt$8$1$" + key,
		"scrypt: Django, cut":            "scrypt$16384$salt$8$1",
		"scrypt: endless":                "$scrypt$ln=14,r=8,p=1$" + salt + "$" + strings.Repeat("A", 1<<20),
		"PBKDF2: all the time":           "pbkdf2_sha256$2000001$salt$" + key,
		"PBKDF2: overflow":               "pbkdf2_sha256$18446744073709551617$salt$" + key,
		"PBKDF2: no rounds":              "pbkdf2_sha256$0$salt$" + key,
		"PBKDF2: signed":                 "pbkdf2_sha256$+5$salt$" + key,
		"PBKDF2: PHC rounds in Django's": "pbkdf2_sha256$i=5$salt$" + key,
		"PBKDF2: no salt":                "pbkdf2_sha256$1000$$" + key,
		"PBKDF2: long salt":              "pbkdf2_sha256$1000$" + strings.Repeat("x", 129) + "$" + key,
		"PBKDF2: short key":              "pbkdf2_sha256$1000$salt$AAAA",
		"PBKDF2: key of two digests":     "$pbkdf2-sha256$1000$" + salt + "$" + b64(t, strings.Repeat("ab", 64)),
		"PBKDF2: length disagrees":       "$pbkdf2-sha256$i=1000,l=20$" + salt + "$" + key,
		"PBKDF2: padding":                "pbkdf2_sha256$1000$salt$" + key + "===",
		"PBKDF2: padding inside":         "pbkdf2_sha256$1000$salt$" + key[:20] + "=" + key[21:],
		"phpass: all the time":           "$P$SIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
		"phpass: too little":             "$P$4IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
		"phpass: cut":                    "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L",
		"phpass: more":                   "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L00",
		"phpass: not its digits":         "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L!",
		"bcrypt: all the time":           "$2a$31$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga",
		"bcrypt: cut":                    "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt",
	}
	for name, hash := range hashes {
		v := verifierOf(hash)
		if v == nil {
			t.Errorf("%s: no verifier", name)
			continue
		}
		start := time.Now()
		ok, err := v.Verify(hash, "password")
		if ok || err == nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("%s: refused after %v", name, took)
		}
	}
	for _, hash := range []string{"", "$", "plain", "$1$salt$abcdef", "$5$salt$x", "5f4dcc3b5aa765d61d8327deb882cf99", "$argon2id$v=19$m=8,t=1,p=1$a$b", "!"} {
		if v := verifierOf(hash); v != nil {
			t.Errorf("%q is handled", hash)
		}
	}
}

// TestLegacyLogin imports an account with each kind of hash: a wrong password
// leaves it as it is, the right one replaces it, and a damaged one lets nobody in.
func TestLegacyLogin(t *testing.T) {
	t.Parallel()
	made, err := bcrypt.GenerateFromPassword([]byte("bcrypt's own"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cases := append(vectors(t), struct{ name, password, hash string }{"bcrypt", "bcrypt's own", string(made)})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := setUp(t, func(c *account.Config) { c.Passwords.Verifiers = account.LegacyVerifiers() })
			u := e.addUser(t, "", "ola@example.com")
			u.PasswordHash = c.hash
			u = e.update(t, u)
			if err := e.login(t, "ola@example.com", "not "+c.password, from(1)); !errors.Is(err, account.ErrWrong) {
				t.Fatalf("wrong password: %v", err)
			}
			if got, _ := e.store.User(t.Context(), u.ID); got.PasswordHash != c.hash {
				t.Error("a wrong password changed the hash")
			}
			for range 2 {
				if err := e.login(t, "ola@example.com", c.password, from(1)); err != nil {
					t.Fatal(err)
				}
			}
			got, err := e.store.User(t.Context(), u.ID)
			if err != nil || !strings.HasPrefix(got.PasswordHash, "$argon2id$v=19$m=8,t=1,p=1$") {
				t.Errorf("hash after login is %q, %v", got.PasswordHash, err)
			}
			u = got
			u.PasswordHash = c.hash[:len(c.hash)/2]
			e.update(t, u)
			before := e.PoolStats().Hashed
			if err := e.login(t, "ola@example.com", c.password, from(1)); !errors.Is(err, account.ErrWrong) {
				t.Errorf("damaged hash: %v", err)
			}
			if got := e.PoolStats().Hashed - before; got != 1 {
				t.Errorf("damaged hash: %d dummy hashes", got)
			}
		})
	}
}

func FuzzLegacyHash(f *testing.F) {
	for _, c := range vectors(f) {
		f.Add(c.hash)
		f.Add(c.hash[:len(c.hash)/2])
		f.Add(c.hash + "=")
	}
	f.Add("$scrypt$ln=1,r=1,p=1$AA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("pbkdf2_sha256$1$s$AAAAAAAAAAAAAAAAAAAAAA==")
	f.Fuzz(func(t *testing.T, hash string) {
		for _, v := range account.LegacyVerifiers() {
			sound, ok := account.ParsesLegacy(v, hash)
			switch {
			case !ok: // bcrypt's parser is another's
			case sound && !v.Handles(hash):
				t.Errorf("%q is sound to a verifier that does not handle it", hash)
			case !sound && v.Handles(hash):
				if right, err := v.Verify(hash, "x"); right || err == nil {
					t.Errorf("%q is not sound, but Verify says %v, %v", hash, right, err)
				}
			case sound && len(hash) < 64: // those with little work, mostly
				if right, err := v.Verify(hash, "x"); err != nil || right {
					t.Errorf("%q is sound, but Verify says %v, %v", hash, right, err)
				}
			}
		}
	})
}

func ExampleLegacyVerifiers() {
	hash := "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0" // from the users table of a WordPress
	for _, v := range account.LegacyVerifiers() {
		if v.Handles(hash) {
			fmt.Println(v.Verify(hash, "test12345"))
		}
	}
	// Output: true <nil>
}
