package account

// DeviceCookie returns the value by which the browser is known to the user's
// account from now on, to be set after every complete login. old is the
// browser's present value or "". The value is signed, names nobody, and knows
// the last 5 users of the browser.
func (s *Service) DeviceCookie(old, userID string) (string, error) { panic("unwritten") }

// Known reports whether the browser with that device cookie is known to the
// user's account.
func (s *Service) Known(device, userID string) bool { panic("unwritten") }
