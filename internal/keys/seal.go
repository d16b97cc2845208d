package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
)

// What [Ring.Seal] writes is a byte that says so, the id of the key, a random
// nonce, and the ciphertext with its tag (AES-256-GCM, NIST SP 800-38D).
const (
	sealForm = 1
	idBytes  = 6
	sealHead = 1 + idBytes
)

// Seal encrypts value under the newest key, for a store. Only the same purpose and
// context open it; the context, such as the name of a record, is not part of what
// is returned. One purpose may seal some 2^32 values with one key.
func (r *Ring) Seal(purpose, context string, value []byte) ([]byte, error) {
	k := &r.keys[0]
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", purpose, err)
	}
	head, err := hex.AppendDecode([]byte{sealForm}, []byte(k.id))
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", purpose, err)
	}
	return aead.Seal(head, nil, value, additional(head, context)), nil
}

// Open returns what [Ring.Seal] sealed and the id of the key that did. The error
// matches [ErrSeal] when the ring does not have that key, or when the value is
// not what was sealed for the purpose and the context.
func (r *Ring) Open(purpose, context string, sealed []byte) (value []byte, keyID string, err error) {
	if len(sealed) < sealHead || sealed[0] != sealForm {
		return nil, "", ErrSeal
	}
	head, id := sealed[:sealHead], hex.EncodeToString(sealed[1:sealHead])
	for i := range r.keys {
		if r.keys[i].id != id {
			continue
		}
		aead, err := r.keys[i].aead(purpose)
		if err != nil {
			return nil, "", fmt.Errorf("open for %s: %w", purpose, err)
		}
		value, err := aead.Open(nil, nil, sealed[sealHead:], additional(head, context))
		if err != nil {
			return nil, "", ErrSeal
		}
		return value, id, nil
	}
	return nil, "", ErrSeal
}

func (k *key) aead(purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.sub("seal " + purpose))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func additional(head []byte, context string) []byte {
	return append(head[:len(head):len(head)], context...)
}
