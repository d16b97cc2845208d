// Package storetest checks that a backend keeps the contracts of package store.
//
// A backend's own tests need one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store {
//			s := mystore.New(...) // empty
//			t.Cleanup(func() { s.Close() })
//			return s
//		})
//	}
//
// A backend that has only some of the roles calls [TestSessions], [TestGrants]
// and so on. Every case names the sentence of the contract that it checks, and
// logs it when it fails. [Check] does the same without a [testing.T] and hands
// back a report.
//
// Races are run in 200 rounds, those with long rounds in a quarter of that; the
// environment variable SOAK_ROUNDS sets another number. [Faulty] makes a good
// store fail on purpose.
package storetest

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/store"
)

// Run checks every role, and that they do not get into each other's way. open is
// called once per case, returns an empty store, and registers its own teardown
// with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Run("Clients", func(t *testing.T) { TestClients(t, as[store.Clients](open)) })
	t.Run("Users", func(t *testing.T) { TestUsers(t, as[store.Users](open)) })
	t.Run("Merges", func(t *testing.T) { TestMerges(t, as[MergeStore](open)) })
	t.Run("Sessions", func(t *testing.T) { TestSessions(t, as[store.Sessions](open)) })
	t.Run("RememberSeries", func(t *testing.T) { TestRememberSeries(t, as[store.RememberSeries](open)) })
	t.Run("OneTimeCodes", func(t *testing.T) { TestOneTimeCodes(t, as[store.OneTimeCodes](open)) })
	t.Run("Runs", func(t *testing.T) { TestRuns(t, as[store.Runs](open)) })
	t.Run("Grants", func(t *testing.T) { TestGrants(t, as[store.Grants](open)) })
	t.Run("Counters", func(t *testing.T) { TestCounters(t, as[store.Counters](open)) })
	t.Run("DirectoryLinks", func(t *testing.T) { TestDirectoryLinks(t, as[store.DirectoryLinks](open)) })
	t.Run("Customers", func(t *testing.T) { TestCustomers(t, as[store.Customers](open)) })
	t.Run("Subscriptions", func(t *testing.T) { TestSubscriptions(t, as[store.Subscriptions](open)) })
	t.Run("Memberships", func(t *testing.T) { TestMemberships(t, as[store.Memberships](open)) })
	t.Run("Tickets", func(t *testing.T) { TestTickets(t, as[store.Tickets](open)) })
	t.Run("SigningKeys", func(t *testing.T) { TestSigningKeys(t, as[store.SigningKeys](open)) })
	t.Run("Consents", func(t *testing.T) { TestConsents(t, as[store.Consents](open)) })
	t.Run("Outbox", func(t *testing.T) { TestOutbox(t, as[store.Outbox](open)) })
	t.Run("Products", func(t *testing.T) { TestProducts(t, as[store.Products](open)) })
	t.Run("Coupons", func(t *testing.T) { TestCoupons(t, as[store.Coupons](open)) })
	t.Run("Vouchers", func(t *testing.T) { TestVouchers(t, as[store.Vouchers](open)) })
	t.Run("Articles", func(t *testing.T) { TestArticles(t, as[store.Articles](open)) })
	t.Run("Accesses", func(t *testing.T) { TestAccesses(t, as[store.Accesses](open)) })
	t.Run("Organisations", func(t *testing.T) { TestOrganisations(t, as[store.Organisations](open)) })
	t.Run("Orders", func(t *testing.T) { TestOrders(t, as[store.Orders](open)) })
	t.Run("Store", func(t *testing.T) { TestStore(t, open) })
}

// TestClients checks the [store.Clients] contract.
func TestClients(t *testing.T, open func(t *testing.T) store.Clients) { run(t, open, clientRules) }

// TestUsers checks the [store.Users] contract.
func TestUsers(t *testing.T, open func(t *testing.T) store.Users) { run(t, open, userRules) }

// MergeStore is what [TestMerges] needs: users and merges are one backend's.
type MergeStore interface {
	store.Users
	store.Merges
}

// TestMerges checks the [store.Merges] contract, and what it adds to that of
// [store.Users].
func TestMerges(t *testing.T, open func(t *testing.T) MergeStore) { run(t, open, mergeRules) }

// TestSessions checks the [store.Sessions] contract.
func TestSessions(t *testing.T, open func(t *testing.T) store.Sessions) {
	run(t, open, allSessionRules())
}

// TestRememberSeries checks the [store.RememberSeries] contract.
func TestRememberSeries(t *testing.T, open func(t *testing.T) store.RememberSeries) {
	run(t, open, seriesRules)
}

// TestOneTimeCodes checks the [store.OneTimeCodes] contract.
func TestOneTimeCodes(t *testing.T, open func(t *testing.T) store.OneTimeCodes) {
	run(t, open, oneTimeRules)
}

// TestRuns checks the [store.Runs] contract.
func TestRuns(t *testing.T, open func(t *testing.T) store.Runs) { run(t, open, runRules) }

// TestGrants checks the [store.Grants] contract.
func TestGrants(t *testing.T, open func(t *testing.T) store.Grants) { run(t, open, grantRules()) }

// TestCounters checks the [store.Counters] contract.
func TestCounters(t *testing.T, open func(t *testing.T) store.Counters) { run(t, open, counterRules) }

// TestDirectoryLinks checks the [store.DirectoryLinks] contract.
func TestDirectoryLinks(t *testing.T, open func(t *testing.T) store.DirectoryLinks) {
	run(t, open, directoryRules)
}

// TestCustomers checks the [store.Customers] contract.
func TestCustomers(t *testing.T, open func(t *testing.T) store.Customers) {
	run(t, open, customerRules)
}

// TestSubscriptions checks the [store.Subscriptions] contract.
func TestSubscriptions(t *testing.T, open func(t *testing.T) store.Subscriptions) {
	run(t, open, subscriptionRules)
}

// TestMemberships checks the [store.Memberships] contract.
func TestMemberships(t *testing.T, open func(t *testing.T) store.Memberships) {
	run(t, open, membershipRules)
}

// TestTickets checks the [store.Tickets] contract.
func TestTickets(t *testing.T, open func(t *testing.T) store.Tickets) { run(t, open, ticketRules) }

// TestSigningKeys checks the [store.SigningKeys] contract.
func TestSigningKeys(t *testing.T, open func(t *testing.T) store.SigningKeys) {
	run(t, open, signingKeyRules)
}

// TestConsents checks the [store.Consents] contract.
func TestConsents(t *testing.T, open func(t *testing.T) store.Consents) { run(t, open, consentRules) }

// TestOutbox checks the [store.Outbox] contract.
func TestOutbox(t *testing.T, open func(t *testing.T) store.Outbox) { run(t, open, outboxRules) }

// TestProducts checks the [store.Products] contract.
func TestProducts(t *testing.T, open func(t *testing.T) store.Products) {
	run(t, open, productRules)
}

// TestCoupons checks the [store.Coupons] contract.
func TestCoupons(t *testing.T, open func(t *testing.T) store.Coupons) {
	run(t, open, couponRules)
}

// TestVouchers checks the [store.Vouchers] contract.
func TestVouchers(t *testing.T, open func(t *testing.T) store.Vouchers) {
	run(t, open, voucherRules)
}

// TestArticles checks the [store.Articles] contract.
func TestArticles(t *testing.T, open func(t *testing.T) store.Articles) {
	run(t, open, articleRules)
}

// TestAccesses checks the [store.Accesses] contract.
func TestAccesses(t *testing.T, open func(t *testing.T) store.Accesses) {
	run(t, open, accessRules)
}

// TestOrganisations checks the [store.Organisations] contract.
func TestOrganisations(t *testing.T, open func(t *testing.T) store.Organisations) {
	run(t, open, organisationRules)
}

// TestOrders checks the [store.Orders] contract.
func TestOrders(t *testing.T, open func(t *testing.T) store.Orders) { run(t, open, orderRules()) }

// TestStore checks what concerns a whole store: roles that do not mix, and, if
// the store has them, the [store.Sweeper] and [store.Pinger] contracts.
func TestStore(t *testing.T, open func(t *testing.T) store.Store) { run(t, open, storeRules) }

// Failure is a case that failed.
type Failure struct {
	Role     string // such as Grants
	Case     string
	Rule     string // what the contract says
	Messages []string
}

// String returns the failure in a few lines.
func (f Failure) String() string {
	return fmt.Sprintf("%s: %s\n\t%s\n\tthe contract says: %s", f.Role, f.Case, strings.Join(f.Messages, "\n\t"), f.Rule)
}

// Check runs every case of every role, or of the named ones (such as Grants),
// without a [testing.T] and returns what failed, nil when nothing did. open is
// called once per case and returns an empty store.
func Check(ctx context.Context, open func() store.Store, roles ...string) []Failure {
	var all []Failure
	all = append(all, check(ctx, roles, "Clients", func() store.Clients { return open() }, clientRules)...)
	all = append(all, check(ctx, roles, "Users", func() store.Users { return open() }, userRules)...)
	all = append(all, check(ctx, roles, "Merges", func() MergeStore { return open() }, mergeRules)...)
	all = append(all, check(ctx, roles, "Sessions", func() store.Sessions { return open() }, allSessionRules())...)
	all = append(all, check(ctx, roles, "RememberSeries", func() store.RememberSeries { return open() }, seriesRules)...)
	all = append(all, check(ctx, roles, "OneTimeCodes", func() store.OneTimeCodes { return open() }, oneTimeRules)...)
	all = append(all, check(ctx, roles, "Runs", func() store.Runs { return open() }, runRules)...)
	all = append(all, check(ctx, roles, "Grants", func() store.Grants { return open() }, grantRules())...)
	all = append(all, check(ctx, roles, "Counters", func() store.Counters { return open() }, counterRules)...)
	all = append(all, check(ctx, roles, "DirectoryLinks", func() store.DirectoryLinks { return open() }, directoryRules)...)
	all = append(all, check(ctx, roles, "Customers", func() store.Customers { return open() }, customerRules)...)
	all = append(all, check(ctx, roles, "Subscriptions", func() store.Subscriptions { return open() }, subscriptionRules)...)
	all = append(all, check(ctx, roles, "Memberships", func() store.Memberships { return open() }, membershipRules)...)
	all = append(all, check(ctx, roles, "Tickets", func() store.Tickets { return open() }, ticketRules)...)
	all = append(all, check(ctx, roles, "SigningKeys", func() store.SigningKeys { return open() }, signingKeyRules)...)
	all = append(all, check(ctx, roles, "Consents", func() store.Consents { return open() }, consentRules)...)
	all = append(all, check(ctx, roles, "Outbox", func() store.Outbox { return open() }, outboxRules)...)
	all = append(all, check(ctx, roles, "Products", func() store.Products { return open() }, productRules)...)
	all = append(all, check(ctx, roles, "Coupons", func() store.Coupons { return open() }, couponRules)...)
	all = append(all, check(ctx, roles, "Vouchers", func() store.Vouchers { return open() }, voucherRules)...)
	all = append(all, check(ctx, roles, "Articles", func() store.Articles { return open() }, articleRules)...)
	all = append(all, check(ctx, roles, "Accesses", func() store.Accesses { return open() }, accessRules)...)
	all = append(all, check(ctx, roles, "Organisations", func() store.Organisations { return open() }, organisationRules)...)
	all = append(all, check(ctx, roles, "Orders", func() store.Orders { return open() }, orderRules())...)
	return append(all, check(ctx, roles, "Store", open, storeRules)...)
}

// Rounds returns how often a race is run: SOAK_ROUNDS, or 200.
func Rounds() int {
	if n, err := strconv.Atoi(os.Getenv("SOAK_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 200
}

// rule is one case: a name, the sentence of the contract, and the check.
type rule[R any] struct {
	name  string
	says  string
	check func(*recorder, R)
}

// as narrows what open returns to one role.
func as[R any](open func(*testing.T) store.Store) func(*testing.T) R {
	return func(t *testing.T) R { return any(open(t)).(R) }
}

func run[R any](t *testing.T, open func(*testing.T) R, rules []rule[R]) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if messages := perform(t.Context(), open(t), r); len(messages) > 0 {
				t.Errorf("%s\nthe contract says: %s", strings.Join(messages, "\n"), r.says)
			}
		})
	}
}

func check[R any](ctx context.Context, roles []string, role string, open func() R, rules []rule[R]) []Failure {
	if len(roles) > 0 && !slices.Contains(roles, role) {
		return nil
	}
	var all []Failure
	for _, r := range rules {
		if messages := perform(ctx, open(), r); len(messages) > 0 {
			all = append(all, Failure{Role: role, Case: r.name, Rule: r.says, Messages: messages})
		}
	}
	return all
}

// perform runs one case and returns what it complained of.
func perform[R any](ctx context.Context, s R, r rule[R]) []string {
	c := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				c.errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		r.check(c, s)
	}()
	<-done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages
}

// recorder collects what a case complains of. A case may run without a [testing.T].
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	messages []string
}

// maxMessages is enough to see what is wrong with a race of many rounds.
const maxMessages = 10

func (c *recorder) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.messages) < maxMessages {
		c.messages = append(c.messages, fmt.Sprintf(format, args...))
	}
}

// fatalf ends the case; only its own goroutine may call it.
func (c *recorder) fatalf(format string, args ...any) {
	c.errorf(format, args...)
	runtime.Goexit()
}

func (c *recorder) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.messages) > 0
}
