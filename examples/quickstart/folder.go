package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// folder is where the demo keeps what outlives it.
type folder struct {
	path string
	secrets
}

// secrets are made at the first start. In production they come from where you
// keep secrets, not from a file beside the database.
type secrets struct {
	Keys          []key             `json:"keys"`          // of connectid
	ClientSecrets map[string]string `json:"clientSecrets"` // by client id
	PaperKeys     map[string][]byte `json:"paperKeys"`     // of the newspapers' cookies, by client id: 64 bytes
	// PaymentSecrets sign what the newspapers' payment script asks for, by client id:
	// 64 bytes.
	PaymentSecrets map[string][]byte `json:"paymentSecrets"`
}

type key = []byte

// openFolder makes the folder and the secrets in it, if need be.
func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f := &folder{path: path}
	raw, err := os.ReadFile(f.file("secrets.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.secrets = newSecrets()
		raw, err := json.MarshalIndent(f.secrets, "", "  ")
		if err != nil {
			return nil, err
		}
		return f, f.write("secrets.json", raw)
	case err != nil:
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := json.Unmarshal(raw, &f.secrets); err != nil {
		return nil, fmt.Errorf("%s is damaged (move it away to start anew; sessions then end): %w", f.file("secrets.json"), err)
	}
	if err := f.check(); err != nil {
		return f, err
	}
	if f.PaymentSecrets != nil {
		return f, nil
	}
	f.PaymentSecrets = newSecrets().PaymentSecrets // the folder is older than payments
	if raw, err = json.MarshalIndent(f.secrets, "", "  "); err != nil {
		return nil, err
	}
	return f, f.write("secrets.json", raw)
}

func newSecrets() secrets {
	s := secrets{
		Keys:          []key{random(32)},
		ClientSecrets: map[string]string{},
		PaperKeys:     map[string][]byte{},

		PaymentSecrets: map[string][]byte{},
	}
	for _, id := range []string{firstClient, secondClient} {
		s.ClientSecrets[id] = base64.RawURLEncoding.EncodeToString(random(32))
		s.PaperKeys[id] = random(64)
		s.PaymentSecrets[id] = random(64)
	}
	return s
}

func (f *folder) check() error {
	for _, id := range []string{firstClient, secondClient} {
		if len(f.PaperKeys[id]) != 64 || f.ClientSecrets[id] == "" || f.PaymentSecrets != nil && len(f.PaymentSecrets[id]) != 64 {
			return fmt.Errorf("%s lacks the secrets of %s (move it away to start anew)", f.file("secrets.json"), id)
		}
	}
	return nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// write writes a file that only its owner can read: whole or not at all.
func (f *folder) write(name string, content []byte) error {
	tmp, err := os.CreateTemp(f.path, name+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.file(name))
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
