package httpjson

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The headers of a signed call.
const (
	keyHeader       = "X-Connectid-Key"
	timestampHeader = "X-Connectid-Timestamp"
	signatureHeader = "X-Connectid-Signature"
)

// Sign signs the request, whose body is given, as of now.
func Sign(r *http.Request, body []byte, keyID string, secret []byte, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set(keyHeader, keyID)
	r.Header.Set(timestampHeader, stamp)
	r.Header.Set(signatureHeader, signature(r, stamp, body, secret))
}

func signature(r *http.Request, stamp string, body, secret []byte) string {
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, r.Method+"\n"+r.URL.EscapedPath()+"\n"+stamp+"\n")
	_, _ = h.Write(body)
	return "v1=" + hex.EncodeToString(h.Sum(nil))
}

// ErrSignature says that a call is not signed with a secret that is known, or not
// recently.
var ErrSignature = errors.New("httpjson: bad signature")

// Verify is for the publisher's side: it checks that the call, whose body was read,
// was signed less than skew ago (or in the future; 5 minutes is usual) with one of
// the secrets, which are by KeyID. It returns [ErrSignature] if not. A call that was
// overheard can be sent again for as long as that: taking an order once is what its
// orderId is for.
func Verify(r *http.Request, body []byte, secrets map[string][]byte, skew time.Duration) error {
	secret, stamp := secrets[r.Header.Get(keyHeader)], r.Header.Get(timestampHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(secret) == 0 || time.Since(time.Unix(seconds, 0)).Abs() > skew {
		return ErrSignature
	}
	if !hmac.Equal([]byte(signature(r, stamp, body, secret)), []byte(r.Header.Get(signatureHeader))) {
		return ErrSignature
	}
	return nil
}
