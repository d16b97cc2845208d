package interop

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// The server's side of the payment script as docs/payments.md shows it for Node: the
// kit takes what it signs, and nothing that was changed since.
func TestNodeSign(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no node")
		}
		t.Skip("there is no node")
	}
	page, err := os.ReadFile("../../docs/payments.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```js sign.mjs\n")
	example, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 || strings.Count(example, "\n") > 10 {
		t.Fatalf("docs/payments.md has no sign.mjs of at most ten lines: %q", example)
	}
	dir := t.TempDir()
	main := `import { sign } from './sign.mjs';
const secret = Buffer.from(process.argv[2], 'base64');
process.stdout.write(sign(secret, JSON.parse(process.argv[3])));`
	err = errors.Join(os.WriteFile(filepath.Join(dir, "sign.mjs"), []byte(example), 0o600), os.WriteFile(filepath.Join(dir, "main.mjs"), []byte(main), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, order.MinSecret)
	rand.Read(secret)
	const claims = `{"clientCode": "no.mediaconnect.test", "paymentMethod": "creditcardPayex", "paymentFlow": "redirect", "productSpecCode": "TOTT", "productSpecNo": 1,
		"currency": "NOK", "amount": 299.9, "recurring": true, "description": "Fjordposten, én måned", "externalReference": "UUID-1", "returnUrl": "https://news.example/done"}`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", "main.mjs", base64.StdEncoding.EncodeToString(secret), claims)
	cmd.Dir, cmd.Stderr = dir, &stderr
	token, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}

	ring, err := keys.New([][]byte{secret[:32]})
	if err != nil {
		t.Fatal(err)
	}
	db := memstore.New()
	systems, err := publisher.New(publisher.Config{Store: db})
	if err != nil {
		t.Fatal(err)
	}
	service, err := order.New(order.Config{Store: db, Clients: db, Keys: ring, Publishers: systems})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := order.SealSecret(ring, "no.mediaconnect.test", secret)
	if err != nil {
		t.Fatal(err)
	}
	client := &store.Client{ID: "no.mediaconnect.test", PaymentSecrets: []string{sealed}, Targets: []string{"https://news.example"}}
	c, err := service.VerifySign(ctx, client, string(token))
	if err != nil {
		t.Fatal(err)
	}
	if c.PaymentFlow != order.Redirect || *c.Amount != 299_90 || !c.Recurring || c.Description != "Fjordposten, én måned" || c.Expiry.Sub(c.IssuedAt) != time.Hour {
		t.Errorf("claims %+v", c)
	}
	if _, err := service.VerifySign(ctx, client, string(token[:len(token)-4])+"AAAA"); !errors.Is(err, order.ErrSign) {
		t.Errorf("another signature: %v", err)
	}
}
