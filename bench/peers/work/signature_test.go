package work

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"
)

// BenchmarkWork is the floor under every code exchange with an ID token: one
// signature (ES256) of a text as long as an ID token's.
func BenchmarkWork(b *testing.B) {
	b.Run("one ES256 signature alone/code exchange with ID token", func(b *testing.B) {
		key := NewKey(b)
		text := []byte(strings.Repeat("claims", 100))
		m := measure(b)
		for b.Loop() {
			sum := sha256.Sum256(text)
			if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
		m.report()
	})
}
