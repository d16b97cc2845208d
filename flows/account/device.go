package account

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// A device cookie holds a random id of the browser and, for each user who
// logged in there, a MAC that only the kit can make and that names nobody.
const (
	deviceName  = "device"
	deviceID    = 12 // bytes of the id
	deviceMark  = 12 // bytes of the MAC of a user
	deviceUsers = 5  // how many users a browser remembers, the latest first
	deviceMax   = 256
)

// DeviceCookie returns the value by which the browser is known to the user's
// account from now on, to be set after every complete login. old is the
// browser's present value or "". The value is signed, names nobody, and knows
// the last 5 users of the browser.
func (s *Service) DeviceCookie(old, userID string) (string, error) {
	b, ok := s.openDevice(old)
	if !ok {
		b = make([]byte, deviceID)
		rand.Read(b)
	}
	id := b[:deviceID]
	mark := s.deviceMark(s.keys.ID(), id, userID)
	out := append([]byte(nil), id...)
	out = append(out, mark...)
	for rest := b[deviceID:]; len(rest) > 0 && len(out) < deviceID+deviceUsers*deviceMark; rest = rest[deviceMark:] {
		if !s.marks(rest[:deviceMark], id, userID) {
			out = append(out, rest[:deviceMark]...)
		}
	}
	v, err := s.devices.Seal(deviceName, out)
	if err != nil {
		return "", fmt.Errorf("device cookie: %w", err)
	}
	return v, nil
}

// Known reports whether the browser with that device cookie is known to the
// user's account.
func (s *Service) Known(device, userID string) bool { return s.deviceOf(device, userID) != "" }

// deviceOf returns the id of the browser if it is known to the user, else "".
func (s *Service) deviceOf(device, userID string) string {
	if userID == "" {
		return ""
	}
	b, ok := s.openDevice(device)
	if !ok {
		return ""
	}
	for rest := b[deviceID:]; len(rest) > 0; rest = rest[deviceMark:] {
		if s.marks(rest[:deviceMark], b[:deviceID], userID) {
			return hex.EncodeToString(b[:deviceID])
		}
	}
	return ""
}

func (s *Service) openDevice(v string) ([]byte, bool) {
	if v == "" || len(v) > deviceMax {
		return nil, false
	}
	b, err := s.devices.Open(deviceName, v)
	if err != nil || len(b) < deviceID || (len(b)-deviceID)%deviceMark != 0 {
		return nil, false
	}
	return b, true
}

func (s *Service) deviceMark(keyID string, id []byte, userID string) []byte {
	d, _ := s.keys.MACWith(keyID, "device", string(id), userID)
	return d[:deviceMark]
}

// marks reports whether the mark is the user's, under any key of the ring.
func (s *Service) marks(mark, id []byte, userID string) bool {
	for _, k := range s.keys.IDs() {
		if string(s.deviceMark(k, id, userID)) == string(mark) { // the whole is signed: no secret is compared
			return true
		}
	}
	return false
}
