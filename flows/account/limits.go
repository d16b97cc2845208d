package account

import "time"

// Budget is how often something may happen in a window.
type Budget struct {
	N      int
	Window time.Duration
}

// Limits are the limits on guessing and sending (security promise 4). A zero
// Budget means the default; there is no way to switch one off but a large N.
//
// A browser is known to an account by the device cookie of an earlier login. It
// has budgets of its own, so that strangers can not use up the owner's; the
// limits by address do not hold for it.
type Limits struct {
	PasswordsPerAccount Budget // wrong ones, all credentials together; default 10 in 15 minutes
	PasswordsPerDevice  Budget // wrong ones at a known browser; default 10 in 15 minutes
	PasswordsPerAddress Budget // wrong ones, all accounts together; default 100 an hour
	CodesPerAccount     Budget // wrong ones over all clients, purposes and resends; default 10 in 24 hours
	CodesPerDevice      Budget // wrong ones at a known browser; default 10 in 24 hours
	SendsPerCredential  Budget // default 5 an hour
	SendsPerDevice      Budget // at a known browser, in place of the credential's; default 5 an hour
	SendsPerAddress     Budget // default 20 an hour
	SendsOverall        Budget // default 50000 an hour; per client see store.Client.SendsPerHour
}
