package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/connectid-kit/connectid/store"
)

var storeRules = []rule[store.Store]{
	{"roles do not mix", "Each contract is one role.", func(c *recorder, s store.Store) {
		d := fresh[store.Session]().Handle
		client, user := fresh[store.Client](), fresh[store.User]()
		session, series := fresh[store.Session](), fresh[store.Series]()
		once, run := fresh[store.OneTimeCode](), fresh[store.Run]()
		code, token := fresh[store.AuthorizationCode](), fresh[store.AccessToken]()
		grant := fresh[store.Grant]()
		link := fresh[store.DirectoryLink]()
		ticket, key := fresh[store.Ticket](), fresh[store.SigningKey]()
		consent, delivery := fresh[store.Consent](), due(ofLogout, past())
		link.UserID = "x"
		client.ID, user.ID, series.ID, run.ID, grant.ID = "x", "x", "x", "x", "x"
		session.Handle, session.Check, once.Key, code.Hash, token.Hash = d, d, d, d, d
		token.GrantID = "x"
		ticket.Kind, ticket.Hash, ticket.ClientID, ticket.UserID, ticket.GrantID = "x", d, code.ClientID, user.ID, "x"
		key.ID, consent.UserID, consent.ClientID, delivery.ID, delivery.Kind = "x", "x", "x", "x", "x"
		session.Clients = []string{"x"}
		c.ok(s.PutClient(c.ctx, client), "PutClient")
		c.ok(s.CreateUser(c.ctx, user), "CreateUser")
		c.ok(s.CreateSession(c.ctx, session), "CreateSession")
		c.ok(s.CreateSeries(c.ctx, series), "CreateSeries")
		c.ok(s.PutOneTimeCode(c.ctx, once), "PutOneTimeCode")
		c.ok(s.InsertRun(c.ctx, run), "InsertRun")
		c.ok(s.PutCode(c.ctx, code), "PutCode")
		c.ok(s.CreateGrant(c.ctx, grant, token), "CreateGrant")
		c.adds(s, "x", 1, time.Hour, 1, time.Time{})
		c.ok(s.PutDirectoryLink(c.ctx, link), "PutDirectoryLink")
		c.ok(s.PutTicket(c.ctx, ticket), "PutTicket")
		c.ok(s.CreateSigningKey(c.ctx, key), "CreateSigningKey")
		c.ok(s.AddConsent(c.ctx, consent), "AddConsent")
		c.ok(s.PutDelivery(c.ctx, delivery), "PutDelivery")
		order, payment := newOrder(), newPayment()
		order.ClientID, order.ExternalID, order.UserID, payment.ID, payment.ClientID, payment.Reference, payment.UserID = "x", "x", "x", "x", "x", "x", "x"
		order, payment = c.commit(s, "CommitOrders", order, payment)

		c.ok(s.DeleteClient(c.ctx, "x"), "DeleteClient")
		c.ok(s.DeleteUser(c.ctx, "x"), "DeleteUser")
		returns(c, "Session", session)(s.Session(c.ctx, d))
		returns(c, "SessionByCheck", session)(s.SessionByCheck(c.ctx, d))
		c.ok(s.EndSession(c.ctx, d), "EndSession")
		returns(c, "Series", inVersion(series, 1))(s.Series(c.ctx, "x"))
		c.ok(s.EndSeries(c.ctx, "x"), "EndSeries")
		returns(c, "Run", savedRun(run, 1))(s.Run(c.ctx, "x"))
		returns(c, "TakeOneTimeCode", once)(s.TakeOneTimeCode(c.ctx, d, once.MAC))
		returns(c, "TakeCode", code)(s.TakeCode(c.ctx, d, code.ClientID))
		returns(c, "AccessToken", token)(s.AccessToken(c.ctx, d))
		returns(c, "Grant", saved(grant, 1))(s.Grant(c.ctx, "x"))
		returns(c, "DirectoryLink", link)(s.DirectoryLink(c.ctx, link.Directory, "x"))
		c.ok(s.RevokeGrant(c.ctx, "x", future()), "RevokeGrant")
		c.ok(s.DeleteAccessToken(c.ctx, d), "DeleteAccessToken")
		for what, revoke := range map[string]func(context.Context, string, time.Time) (int, error){"RevokeUserGrants": s.RevokeUserGrants, "RevokeClientGrants": s.RevokeClientGrants} {
			_, err := revoke(c.ctx, "x", future())
			c.ok(err, what)
		}
		returns(c, "TakeTicket", ticket)(s.TakeTicket(c.ctx, "x", d, code.ClientID))
		lists(c, "SigningKeys", s.SigningKeys(c.ctx), key)
		c.ok(s.DeleteSigningKey(c.ctx, "x"), "DeleteSigningKey")
		n, err := s.DropUserTickets(c.ctx, "x")
		if c.ok(err, "DropUserTickets"); n != 1 {
			c.errorf("DropUserTickets = %d, want 1", n)
		}
		returns(c, "Consent", consent)(s.Consent(c.ctx, "x", "x"))
		c.ok(s.DeleteConsent(c.ctx, "x", "x"), "DeleteConsent")
		c.stands(s, "when all else is gone", order, payment)
		until := future()
		returns(c, "ClaimDelivery", claimed(delivery, 1, until))(s.ClaimDelivery(c.ctx, "x", time.Now(), until))
	}},
	{"expiry never leads", "A backend's own time-to-live may lag by up to a minute, never lead.", func(c *recorder, s store.Store) {
		soon := time.Now().Add(30 * time.Second).Truncate(time.Millisecond)
		series, once, run := fresh[store.Series](), fresh[store.OneTimeCode](), fresh[store.Run]()
		code := fresh[store.AuthorizationCode]()
		grant, token := pair()
		series.IdleAt, once.ExpiresAt, run.ExpiresAt, code.ExpiresAt = soon, soon, soon, soon
		grant.ExpiresAt, token.ExpiresAt = soon, soon
		c.ok(s.CreateSeries(c.ctx, series), "CreateSeries")
		c.ok(s.PutOneTimeCode(c.ctx, once), "PutOneTimeCode")
		c.ok(s.InsertRun(c.ctx, run), "InsertRun")
		c.ok(s.PutCode(c.ctx, code), "PutCode")
		c.ok(s.CreateGrant(c.ctx, grant, token), "CreateGrant")
		c.ok(s.RevokeGrant(c.ctx, "revoked", soon), "RevokeGrant")
		returns(c, "Series with half a minute to go", inVersion(series, 1))(s.Series(c.ctx, series.ID))
		returns(c, "TakeOneTimeCode with half a minute to go", once)(s.TakeOneTimeCode(c.ctx, once.Key, once.MAC))
		returns(c, "Run with half a minute to go", savedRun(run, 1))(s.Run(c.ctx, run.ID))
		returns(c, "TakeCode with half a minute to go", code)(s.TakeCode(c.ctx, code.Hash, code.ClientID))
		returns(c, "Grant with half a minute to go", saved(grant, 1))(s.Grant(c.ctx, grant.ID))
		returns(c, "AccessToken with half a minute to go", token)(s.AccessToken(c.ctx, token.Hash))
		fails[store.Grant](c, "Grant with a tombstone that has half a minute to go", store.ErrRevoked)(s.Grant(c.ctx, "revoked"))
	}},
	{"a write that is cut off is whole or nothing", saysContext, func(c *recorder, s store.Store) {
		c.someRounds(func() {
			ctx, cancel := context.WithCancel(c.ctx)
			old, next := fresh[store.Session](), fresh[store.Session]()
			g, t := pair()
			user := fresh[store.User]()
			next.ID = old.ID
			consent, delivery := fresh[store.Consent](), due(fresh[store.Delivery]().Kind, past())
			at := time.Now().Truncate(time.Millisecond)
			until := at.Add(time.Minute)
			order, payment := c.commit(s, "CommitOrders", newOrder(), newPayment())
			placed, begun := newOrder(), newPayment()
			c.ok(s.CreateSession(c.ctx, old), "CreateSession")
			c.ok(s.PutDelivery(c.ctx, delivery), "PutDelivery")
			var wg sync.WaitGroup
			wg.Go(func() { c.cutOff("ReplaceSession", s.ReplaceSession(ctx, old.Handle, next)) })
			wg.Go(func() { c.cutOff("CreateGrant", s.CreateGrant(ctx, g, t)) })
			wg.Go(func() { c.cutOff("CreateUser", s.CreateUser(ctx, user)) })
			wg.Go(func() { c.cutOff("AddConsent", s.AddConsent(ctx, consent)) })
			wg.Go(func() {
				c.cutOff("CommitOrders", s.CommitOrders(ctx, []store.Order{placed, order}, []store.Payment{payment, begun}))
			})
			wg.Go(func() {
				_, err := s.ClaimDelivery(ctx, delivery.Kind, at, until)
				c.cutOff("ClaimDelivery", err)
			})
			time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
			wg.Wait()
			cancel()
			whole := func() (faults []string) {
				_, oldErr := s.Session(c.ctx, old.Handle)
				then, nextErr := s.Session(c.ctx, next.Handle)
				if nextErr == nil && len(then.Clients) != len(old.Clients)+len(next.Clients) {
					faults = append(faults, fmt.Sprintf("ReplaceSession left %d clients of %d", len(then.Clients), len(old.Clients)+len(next.Clients)))
				}
				if (oldErr == nil) == (nextErr == nil) {
					faults = append(faults, fmt.Sprintf("ReplaceSession left the old session with %v and the next with %v", oldErr, nextErr))
				}
				_, grantErr := s.Grant(c.ctx, g.ID)
				_, tokenErr := s.AccessToken(c.ctx, t.Hash)
				if (grantErr == nil) != (tokenErr == nil) {
					faults = append(faults, fmt.Sprintf("CreateGrant left the grant with %v and the token with %v", grantErr, tokenErr))
				}
				_, idErr := s.User(c.ctx, user.ID)
				for _, cred := range user.Credentials {
					if _, err := s.UserByCredential(c.ctx, cred.Kind, cred.Identity); (idErr == nil) != (err == nil) {
						faults = append(faults, fmt.Sprintf("CreateUser left the user with %v and a credential with %v", idErr, err))
					}
				}
				agreed, consentErr := s.Consent(c.ctx, consent.UserID, consent.ClientID)
				if consentErr == nil && len(agreed.Scopes) != len(consent.Scopes) {
					faults = append(faults, fmt.Sprintf("AddConsent left %q of %q", agreed.Scopes, consent.Scopes))
				}
				_, placedErr := s.OrderByExternalID(c.ctx, placed.ClientID, placed.ExternalID)
				_, begunErr := s.PaymentByReference(c.ctx, begun.ClientID, begun.Reference)
				o, orderErr := s.Order(c.ctx, order.ID)
				p, paymentErr := s.Payment(c.ctx, payment.ID)
				if written := placedErr == nil; orderErr != nil || paymentErr != nil || written != (begunErr == nil) || written != (o.Version == 2) || written != (p.Version == 2) {
					faults = append(faults, fmt.Sprintf("CommitOrders left an order with %v, a payment with %v, and others in versions %d and %d", placedErr, begunErr, o.Version, p.Version))
				}
				return faults
			}
			// A write may happen between two of these look-ups, but not stay half done.
			var faults []string
			for range 5 {
				if faults = whole(); len(faults) == 0 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if len(faults) > 0 {
				c.errorf("%s", strings.Join(faults, "\n"))
			}
			// What was claimed has been tried once and is due later, or neither.
			again, err := s.ClaimDelivery(c.ctx, delivery.Kind, at, until)
			tries := 1
			if errors.Is(err, store.ErrNotFound) {
				again, err = s.ClaimDelivery(c.ctx, delivery.Kind, until, until)
				tries = 2
			}
			returns(c, "ClaimDelivery after one that was cut off", claimed(delivery, tries, until))(again, err)
		})
	}},
	{"a sweep removes what has expired, a batch at a time", "Sweep removes at most limit expired records (of all kinds together) and returns how many it removed; fewer than limit means that nothing expired is left.", sweeps},
	{"a sweep is in nobody's way", "Sweep … holds no lock for longer than a short batch needs.", func(c *recorder, s store.Store) {
		sweeper, ok := s.(store.Sweeper)
		if !ok {
			return
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 25 {
					r := fresh[store.Session]()
					c.noError(s.CreateSession(c.ctx, r), "CreateSession during a sweep")
					if i%2 == 0 {
						_, err := sweeper.Sweep(c.ctx, time.Now(), 100)
						c.noError(err, "Sweep")
					}
					returns(c, "Session during a sweep", r)(s.Session(c.ctx, r.Handle))
				}
			})
		}
		wg.Wait()
	}},
	{"a store that is there answers a ping", "Ping returns nil when a write would be likely to succeed.", func(c *recorder, s store.Store) {
		pinger, ok := s.(store.Pinger)
		if !ok {
			return
		}
		c.ok(pinger.Ping(c.ctx), "Ping")
		contexts, stop := ended(c.ctx)
		defer stop()
		for want, ctx := range contexts {
			c.is(pinger.Ping(ctx), want, "Ping")
		}
	}},
}

// cutOff complains of any error but that of the context.
func (c *recorder) cutOff(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		c.errorf("%s, cut off: %v, want %v", what, err, context.Canceled)
	}
}

// noError is ok for other goroutines than the case's own.
func (c *recorder) noError(err error, what string) {
	if err != nil {
		c.errorf("%s: %v, want no error", what, err)
	}
}

// sweeps fills every table, and sweeps with a clock that is two hours ahead.
func sweeps(c *recorder, s store.Store) {
	sweeper, ok := s.(store.Sweeper)
	if !ok {
		return
	}
	const each = 20
	client, user := fresh[store.Client](), fresh[store.User]()
	c.ok(s.PutClient(c.ctx, client), "PutClient")
	c.ok(s.CreateUser(c.ctx, user), "CreateUser")
	kept := fresh[store.Session]()
	kept.IdleAt, kept.ExpiresAt = future().Add(24*time.Hour), future().Add(24*time.Hour)
	c.ok(s.CreateSession(c.ctx, kept), "CreateSession")
	consent, keptTicket, keptKey := fresh[store.Consent](), fresh[store.Ticket](), fresh[store.SigningKey]()
	keptTicket.ExpiresAt, keptKey.ExpiresAt = kept.ExpiresAt, kept.ExpiresAt
	c.ok(s.AddConsent(c.ctx, consent), "AddConsent")
	c.ok(s.PutTicket(c.ctx, keptTicket), "PutTicket")
	c.ok(s.CreateSigningKey(c.ctx, keptKey), "CreateSigningKey")
	order, payment := c.commit(s, "CommitOrders", newOrder(), newPayment())
	want := 0
	var grant store.Grant
	for i := range each {
		merged(c, s) // of which the record ends
		c.ok(s.CreateSession(c.ctx, fresh[store.Session]()), "CreateSession")
		c.ok(s.CreateSeries(c.ctx, fresh[store.Series]()), "CreateSeries")
		c.ok(s.PutOneTimeCode(c.ctx, fresh[store.OneTimeCode]()), "PutOneTimeCode")
		c.ok(s.InsertRun(c.ctx, fresh[store.Run]()), "InsertRun")
		c.ok(s.PutCode(c.ctx, fresh[store.AuthorizationCode]()), "PutCode")
		grant, _ = c.granted(s) // two records
		c.ok(s.RevokeGrant(c.ctx, fmt.Sprint("revoked ", i), future()), "RevokeGrant")
		_, err := s.Add(c.ctx, fmt.Sprint("counter ", i), 1, time.Hour)
		c.ok(err, "Add")
		c.ok(s.PutTicket(c.ctx, fresh[store.Ticket]()), "PutTicket")
		used := fresh[store.Ticket]()
		c.ok(s.PutTicket(c.ctx, used), "PutTicket")
		_, err = s.TakeTicket(c.ctx, used.Kind, used.Hash, used.ClientID)
		c.ok(err, "TakeTicket")
		c.ok(s.CreateSigningKey(c.ctx, fresh[store.SigningKey]()), "CreateSigningKey")
		c.ok(s.PutDelivery(c.ctx, due(ofLogout, past())), "PutDelivery")
		claim := fresh[store.Delivery]()
		c.ok(s.PutDelivery(c.ctx, claim), "PutDelivery")
		_, err = s.ClaimDelivery(c.ctx, claim.Kind, claim.DueAt, claim.DueAt)
		c.ok(err, "ClaimDelivery")
		c.ok(s.PutAccess(c.ctx, fresh[store.Access]()), "PutAccess")
		want += 16
	}
	if n, err := sweeper.Sweep(c.ctx, time.Now(), 1000); n != 0 || err != nil {
		c.errorf("Sweep with nothing expired = %d, %v, want 0", n, err)
	}
	contexts, stop := ended(c.ctx)
	defer stop()
	later := time.Now().Add(3 * time.Hour)
	for wantErr, ctx := range contexts {
		n, err := sweeper.Sweep(ctx, later, 1)
		c.is(err, wantErr, "Sweep")
		want -= n
	}
	const limit = 7
	for {
		n, err := sweeper.Sweep(c.ctx, later, limit)
		c.ok(err, "Sweep")
		if n > limit {
			c.errorf("Sweep(%d) = %d", limit, n)
		}
		if want -= n; n < limit {
			break
		}
	}
	if want != 0 {
		c.errorf("Sweep stopped with %d expired records too many (negative: too few)", want)
	}
	if n, err := sweeper.Sweep(c.ctx, later, 1000); n != 0 || err != nil {
		c.errorf("Sweep after the last = %d, %v, want 0: fewer than limit was not the end", n, err)
	}
	// By the clock these would be live: they are not just hidden, they are gone.
	fails[store.Grant](c, "Grant that was swept", store.ErrNotFound)(s.Grant(c.ctx, grant.ID))
	fails[store.Grant](c, "Grant whose tombstone was swept", store.ErrNotFound)(s.Grant(c.ctx, "revoked 0"))
	c.adds(s, "counter 0", 1, time.Hour, 1, time.Time{})
	returns(c, "Session that lives longer", kept)(s.Session(c.ctx, kept.Handle))
	returns(c, "Client", client)(s.Client(c.ctx, client.ID))
	returns(c, "User", stored(user, 1))(s.User(c.ctx, user.ID))
	returns(c, "Consent, which does not end", consent)(s.Consent(c.ctx, consent.UserID, consent.ClientID))
	returns(c, "Ticket that lives longer", keptTicket)(s.Ticket(c.ctx, keptTicket.Kind, keptTicket.Hash))
	c.stands(s, "which do not expire", order, payment)
	lists(c, "SigningKeys that live longer", s.SigningKeys(c.ctx), keptKey)
	fails[store.Delivery](c, "ClaimDelivery when all were swept", store.ErrNotFound)(s.ClaimDelivery(c.ctx, ofLogout, future(), future()))
}
