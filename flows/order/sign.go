package order

import (
	"context"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

// Claims are what a client signs for its payment script (ConnectID: "paymentInit
// request sign object").
type Claims struct {
	ClientCode        string      `json:"clientCode"`
	PaymentMethod     Method      `json:"paymentMethod"`
	PaymentFlow       PaymentFlow `json:"paymentFlow,omitempty"`
	ProductSpecCode   string      `json:"productSpecCode"`
	ProductSpecNo     int64       `json:"productSpecNo"`
	Currency          string      `json:"currency,omitempty"`
	Amount            *int64      `json:"-"` // in minor units; nil for the coupon's
	Recurring         bool        `json:"recurring"`
	Description       string      `json:"description,omitempty"`
	ExternalReference string      `json:"externalReference"`
	PhoneNumber       string      `json:"phoneNumber,omitempty"`
	ReturnURL         string      `json:"returnUrl,omitempty"`
	NotBefore         time.Time   `json:"-"`
	IssuedAt          time.Time   `json:"-"`
	Expiry            time.Time   `json:"-"`
}

// VerifySign verifies a sign against the client's payment secrets and every rule of
// the claims that needs no catalogue: a *RefusedError names the claim that is wrong.
func (s *Service) VerifySign(ctx context.Context, c *store.Client, token string) (Claims, error) {
	return Claims{}, errUnbuilt
}

// SealSecret seals a payment secret (at least 64 bytes) for PaymentSecrets of the
// client's record.
func SealSecret(ring *keys.Ring, clientID string, secret []byte) (string, error) {
	return "", errUnbuilt
}
