package store_test

import (
	"fmt"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// Accounts in one backend, what comes and goes in another. All that is missing
// is reported at once.
func ExampleCompose() {
	accounts, rest := memstore.New(), memstore.New()
	_, err := store.Compose(store.Roles{
		Clients: accounts, Users: accounts, Merges: accounts,
		Sessions: rest, Runs: rest, Counters: rest, DirectoryLinks: accounts,
	})
	fmt.Println(err)
	// Output: store: no backend for RememberSeries, OneTimeCodes, Grants, Customers, Subscriptions, Memberships, Tickets, SigningKeys, Consents, Outbox, Products, Coupons, Vouchers, Articles, Accesses, Organisations, Orders
}
