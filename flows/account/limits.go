package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// Budget is how often something may happen in a window.
type Budget struct {
	N      int
	Window time.Duration
}

// Limits are the limits on guessing and sending (security promise 4). A zero
// Budget means the default; there is no way to switch one off but a large N.
//
// A browser is known to an account by the device cookie of an earlier login. It
// has budgets of its own, so that strangers can not use up the owner's; wrong
// passwords there do not count against the address. All known browsers of an
// account together have a budget too, few become known to it in a day, and a new
// password forgets them: who has stolen into an account has no more guesses
// afterwards than any stranger.
//
// A window is fixed: it starts with the first event. Over the end of one and the
// beginning of the next, up to twice N events can stand close together.
//
// An account's budget is spent by all its credentials together. Who has used it
// up at one credential is told at that one only: at another, further attempts
// are answered as wrong. Otherwise a stranger could find out that two
// credentials belong together, and so that the second has an account.
type Limits struct {
	PasswordsPerAccount Budget // wrong ones, all credentials together; default 10 in 15 minutes
	PasswordsPerDevice  Budget // wrong ones at a known browser; default 10 in 15 minutes
	PasswordsPerAddress Budget // wrong ones, all accounts together; default 100 an hour
	CodesPerAccount     Budget // wrong ones over all clients, purposes and resends; default 10 in 24 hours
	CodesPerDevice      Budget // wrong ones at a known browser; default 10 in 24 hours
	GuessesAtDevices    Budget // wrong passwords and codes at all known browsers of an account together; default 30 in 24 hours
	DevicesPerAccount   Budget // browsers that become known to an account; further ones stay unknown; default 5 in 24 hours
	SendsPerCredential  Budget // default 5 an hour
	SendsPerDevice      Budget // at a known browser, in place of the credential's; default 5 an hour
	SendsAtDevices      Budget // at all known browsers of an account together; default 10 an hour
	SendsPerAddress     Budget // known browsers too; default 20 an hour
	RunsPerAddress      Budget // runs that are stored, which a reader's first post does; default 300 in 10 minutes
	CarePerAccount      Budget // messages to customer care; default 3 in 24 hours
	SendsOverall        Budget // default 50000 an hour; per client see store.Client.SendsPerHour
	// Wrong searches for a customer or membership number, over both URLs.
	SearchesPerUser    Budget // default 10 in 24 hours
	SearchesPerNumber  Budget // all users together; default 20 in 24 hours
	SearchesPerAddress Budget // default 50 in 24 hours
	SearchesPerClient  Budget // default 2000 an hour
	CareMailsPerUser   Budget // to customer care; default 3 in 24 hours
}

// DefaultSendsPerHour bounds the codes of a client whose record does not say.
const DefaultSendsPerHour = 10000

func (l Limits) withDefaults() (Limits, error) {
	var errs []error
	for _, f := range []struct {
		name string
		b    *Budget
		def  Budget
	}{
		{"PasswordsPerAccount", &l.PasswordsPerAccount, Budget{10, 15 * time.Minute}},
		{"PasswordsPerDevice", &l.PasswordsPerDevice, Budget{10, 15 * time.Minute}},
		{"PasswordsPerAddress", &l.PasswordsPerAddress, Budget{100, time.Hour}},
		{"CodesPerAccount", &l.CodesPerAccount, Budget{10, 24 * time.Hour}},
		{"CodesPerDevice", &l.CodesPerDevice, Budget{10, 24 * time.Hour}},
		{"GuessesAtDevices", &l.GuessesAtDevices, Budget{30, 24 * time.Hour}},
		{"DevicesPerAccount", &l.DevicesPerAccount, Budget{5, 24 * time.Hour}},
		{"SendsPerCredential", &l.SendsPerCredential, Budget{5, time.Hour}},
		{"SendsPerDevice", &l.SendsPerDevice, Budget{5, time.Hour}},
		{"SendsAtDevices", &l.SendsAtDevices, Budget{10, time.Hour}},
		{"SendsPerAddress", &l.SendsPerAddress, Budget{20, time.Hour}},
		{"RunsPerAddress", &l.RunsPerAddress, Budget{300, 10 * time.Minute}},
		{"CarePerAccount", &l.CarePerAccount, Budget{3, 24 * time.Hour}},
		{"SendsOverall", &l.SendsOverall, Budget{50000, time.Hour}},
		{"SearchesPerUser", &l.SearchesPerUser, Budget{10, 24 * time.Hour}},
		{"SearchesPerNumber", &l.SearchesPerNumber, Budget{20, 24 * time.Hour}},
		{"SearchesPerAddress", &l.SearchesPerAddress, Budget{50, 24 * time.Hour}},
		{"SearchesPerClient", &l.SearchesPerClient, Budget{2000, time.Hour}},
		{"CareMailsPerUser", &l.CareMailsPerUser, Budget{3, 24 * time.Hour}},
	} {
		if f.b.N < 0 || f.b.Window < 0 {
			errs = append(errs, fmt.Errorf("bad Limits.%s %d in %v: want neither negative", f.name, f.b.N, f.b.Window))
		}
		f.b.N = cmp.Or(f.b.N, f.def.N)
		f.b.Window = cmp.Or(f.b.Window, f.def.Window)
	}
	return l, errors.Join(errs...)
}

// spending is what one attempt has raised, to be given back when it was no
// wrong guess after all.
type spending struct {
	s      *Service
	raised []raised
	used   []CaptchaCase // of the budgets that are told
	hidden *LimitedError // reached, but not to be told: answer as wrong
}

type raised struct {
	key    string
	window time.Duration
	until  time.Time // when the window ends in which it was raised
}

// charge is one counter to raise.
type charge struct {
	limit  Limit
	budget Budget
	key    string
	hidden bool // when it is reached the asker is not told
}

// spend raises the counters, in this order, before anything is checked. When
// one has been used up it stops, gives back what it raised before, and returns
// a [LimitedError]; a hidden one is noted and the rest goes on.
func (s *Service) spend(ctx context.Context, charges ...charge) (*spending, error) {
	sp := &spending{s: s}
	for _, c := range charges {
		n, err := s.store.Add(ctx, c.key, 1, c.budget.Window)
		if err != nil {
			sp.giveBack(ctx)
			return nil, fmt.Errorf("count attempt: %w", err)
		}
		if n.N <= c.budget.N {
			sp.raised = append(sp.raised, raised{c.key, c.budget.Window, n.ResetAt})
			if !c.hidden {
				sp.used = append(sp.used, CaptchaCase{Limit: c.limit, Used: n.N, Of: c.budget.N})
			}
			continue
		}
		// What went over is taken out again: the counter says how many attempts
		// were let through, and can not be driven out of range.
		over := &spending{s: s, raised: []raised{{c.key, c.budget.Window, n.ResetAt}}}
		over.giveBack(ctx)
		limited := &LimitedError{Limit: c.limit, RetryAt: n.ResetAt}
		if c.hidden {
			sp.hidden = limited
			continue
		}
		sp.giveBack(ctx)
		return nil, limited
	}
	return sp, nil
}

// giveBack takes out what was raised. It goes on when the caller has gone away;
// what it can not take out stays raised, which is the safe side. So does what
// was raised in a window that has ended, or is about to: in the next window it
// would be somebody's wrong guess that is taken out.
func (sp *spending) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, r := range sp.raised {
		if time.Until(r.until) < time.Second {
			continue
		}
		if _, err := sp.s.store.Add(ctx, r.key, -1, r.window); err != nil {
			sp.s.log.WarnContext(ctx, "counter not given back", "err", err)
		}
	}
	sp.raised = nil
}

// counter names a counter. The store learns neither credential nor address.
func (s *Service) counter(limit Limit, parts ...string) string {
	d := s.keys.MAC("counter", append([]string{string(limit)}, parts...)...)
	return "account:" + string(limit) + ":" + d.String()[:32]
}

// guesses are the counters for a guess at the password or the code of a
// credential. Unknown credentials have the same number of counters as known
// ones: one that is told, one for the account.
func (s *Service) guesses(cred Credential, user store.User, o Origin, account, device charge) []charge {
	if id := s.deviceOf(o.Device, user); id != "" {
		device.key = s.counter(device.limit, id, user.ID)
		return []charge{device, {limit: LimitGuessDevices, budget: s.limits.GuessesAtDevices,
			key: s.counter(LimitGuessDevices, user.ID, epochOf(user))}}
	}
	whole := account
	whole.hidden = true
	account.key = s.counter(account.limit, "credential", string(cred.Kind), cred.Identity)
	whole.key = s.counter(account.limit, "account", "", string(cred.Kind), cred.Identity)
	if user.ID != "" {
		whole.key = s.counter(account.limit, "account", user.ID)
	}
	return []charge{account, whole}
}

// CountRun counts a run that is about to be stored, or returns a [LimitedError]
// when the address has started too many.
func (s *Service) CountRun(ctx context.Context, o Origin) error {
	_, err := s.spend(ctx, charge{limit: LimitRunAddress, budget: s.limits.RunsPerAddress, key: s.counter(LimitRunAddress, addressKey(o.Address))})
	return err
}

// addressKey names the network that counts as one asker: an IPv4 address, or
// the /64 of an IPv6 address, as that is what one subscriber gets.
func addressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}

// sends are the counters for a message to the credential.
func (s *Service) sends(client store.Client, cred Credential, user store.User, o Origin) []charge {
	perHour := cmp.Or(client.SendsPerHour, DefaultSendsPerHour)
	address := charge{limit: LimitSendAddress, budget: s.limits.SendsPerAddress, key: s.counter(LimitSendAddress, addressKey(o.Address))}
	common := []charge{
		{limit: LimitSendClient, budget: Budget{perHour, time.Hour}, key: s.counter(LimitSendClient, client.ID)},
		{limit: LimitSendOverall, budget: s.limits.SendsOverall, key: s.counter(LimitSendOverall)},
	}
	if id := s.deviceOf(o.Device, user); id != "" {
		return append([]charge{
			address,
			{limit: LimitSendDevice, budget: s.limits.SendsPerDevice, key: s.counter(LimitSendDevice, id, string(cred.Kind), cred.Identity)},
			{limit: LimitSendDevices, budget: s.limits.SendsAtDevices, key: s.counter(LimitSendDevices, user.ID, epochOf(user))},
		}, common...)
	}
	return append([]charge{
		address,
		{limit: LimitSendCredential, budget: s.limits.SendsPerCredential,
			key: s.counter(LimitSendCredential, string(cred.Kind), cred.Identity)},
	}, common...)
}
