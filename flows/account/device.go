package account

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/connectid-kit/connectid/store"
)

// A device cookie holds a random id of the browser and, for each user who
// logged in there, a MAC that only the kit can make and that names nobody. The
// MAC is of the user's epoch too: a new password forgets all browsers.
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
// the last 5 users of the browser. It is "" when too many browsers have become
// known to the account lately ([Limits]): the browser keeps what it has.
func (s *Service) DeviceCookie(ctx context.Context, old string, u store.User) (string, error) {
	if s.deviceOf(old, u) == "" {
		_, err := s.spend(ctx, charge{limit: LimitDevices, budget: s.limits.DevicesPerAccount, key: s.counter(LimitDevices, u.ID, epochOf(u))})
		if l, ok := errors.AsType[*LimitedError](err); ok {
			s.notify(ctx, Notice{Kind: NoticeLimited, UserID: u.ID, Limit: l.Limit})
			return "", nil
		} else if err != nil {
			return "", fmt.Errorf("device cookie: %w", err)
		}
	}
	b, ok := s.openDevice(old)
	if !ok {
		b = make([]byte, deviceID)
		rand.Read(b)
	}
	id := b[:deviceID]
	mark := s.deviceMark(s.keys.ID(), id, u)
	out := append([]byte(nil), id...)
	out = append(out, mark...)
	for rest := b[deviceID:]; len(rest) > 0 && len(out) < deviceID+deviceUsers*deviceMark; rest = rest[deviceMark:] {
		if !s.marks(rest[:deviceMark], id, u) {
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
func (s *Service) Known(device string, u store.User) bool { return s.deviceOf(device, u) != "" }

// deviceOf returns the id of the browser if it is known to the user, else "".
func (s *Service) deviceOf(device string, u store.User) string {
	if u.ID == "" {
		return ""
	}
	b, ok := s.openDevice(device)
	if !ok {
		return ""
	}
	for rest := b[deviceID:]; len(rest) > 0; rest = rest[deviceMark:] {
		if s.marks(rest[:deviceMark], b[:deviceID], u) {
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

func (s *Service) deviceMark(keyID string, id []byte, u store.User) []byte {
	d, _ := s.keys.MACWith(keyID, "device", string(id), u.ID, epochOf(u))
	return d[:deviceMark]
}

func epochOf(u store.User) string { return strconv.FormatInt(u.Epoch, 10) }

// marks reports whether the mark is the user's, under any key of the ring.
func (s *Service) marks(mark, id []byte, u store.User) bool {
	for _, k := range s.keys.IDs() {
		if string(s.deviceMark(k, id, u)) == string(mark) { // the whole is signed: no secret is compared
			return true
		}
	}
	return false
}
