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
	timestampHeader = "X-Connectid-Timestamp"
	signatureHeader = "X-Connectid-Signature"
)

// Sign signs the request, whose body is given, as of now.
func Sign(r *http.Request, body, secret []byte, now time.Time) {
	stamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set(timestampHeader, stamp)
	r.Header.Set(signatureHeader, "v1="+hex.EncodeToString(mac(r, stamp, body, secret)))
}

func mac(r *http.Request, stamp string, body, secret []byte) []byte {
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, r.Method+"\n"+r.URL.EscapedPath()+"\n"+stamp+"\n")
	_, _ = h.Write(body)
	return h.Sum(nil)
}

// ErrSignature says that a call is not signed with the secret, or not recently.
var ErrSignature = errors.New("httpjson: bad signature")

// Verify is for the publisher's side: it checks that the call, whose body was
// read, was signed with the secret less than skew ago (or in the future; 5
// minutes is usual). It returns [ErrSignature] if not.
func Verify(r *http.Request, body, secret []byte, skew time.Duration) error {
	stamp := r.Header.Get(timestampHeader)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > skew {
		return ErrSignature
	}
	want := "v1=" + hex.EncodeToString(mac(r, stamp, body, secret))
	if !hmac.Equal([]byte(want), []byte(r.Header.Get(signatureHeader))) {
		return ErrSignature
	}
	return nil
}
