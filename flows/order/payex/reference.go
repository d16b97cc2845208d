package payex

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
)

// How many payeeReferences are tried for one thing.
const (
	orders   = 8 // payment orders of one payment, all but the last of which were lost
	attempts = 4 // moves of its money: Swedbank Pay locks it after five that fail
)

// reference is a payeeReference: the same for the same action on the same payment.
// n counts those that were refused because they had been used.
//
// "A unique reference from the merchant system. Set per operation to ensure an
// exactly-once delivery of a transactional operation": A-Za-z0-9, at most 30, or 12
// digits (technical-reference/payee-reference).
func (p *Provider) reference(paymentID, action, key string, n int) string {
	d := sha256.Sum256(fmt.Appendf(nil, "payeeReference\x00%s\x00%s\x00%s\x00%s\x00%d", p.c.PayeeID, paymentID, action, key, n))
	if p.c.DigitReferences {
		return fmt.Sprintf("%012d", binary.BigEndian.Uint64(d[:])%1e12)
	}
	return "C" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(d[:])[:29]
}
