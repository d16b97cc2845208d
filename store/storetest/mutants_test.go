package storetest_test

import (
	"testing"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
	"github.com/connectid-kit/connectid/store/storetest"
)

// mutant is a store that breaks a contract in one way that people have broken it.
type mutant struct {
	name string
	open func() store.Store
	// caught is a case that must fail.
	role, caught string
}

// mem is what mutants embed.
type mem = memstore.Store

// TestBrokenStoresAreCaught proves the suite: each of these stores keeps the
// contracts but for one rule. Each is held against the contract that it breaks.
func TestBrokenStoresAreCaught(t *testing.T) {
	t.Setenv("SOAK_ROUNDS", "25")
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			failures := storetest.Check(t.Context(), m.open, m.role)
			if len(failures) == 0 {
				t.Fatal("the suite did not notice")
			}
			caught := false
			for _, f := range failures {
				caught = caught || f.Role == m.role && f.Case == m.caught
				t.Logf("%s: %s\n\tbroke: %s\n\tseen: %s", f.Role, f.Case, f.Rule, f.Messages[0])
			}
			if !caught {
				t.Errorf("the case %s: %s did not fail", m.role, m.caught)
			}
		})
	}
}

// A store that keeps the contracts fails nothing, or catching would prove nothing.
func TestGoodStorePasses(t *testing.T) {
	for _, f := range storetest.Check(t.Context(), func() store.Store { return memstore.New() }) {
		t.Error(f)
	}
}

var mutants = []mutant{
	{"a code is looked up, then marked", func() store.Store { return &lookThenMark{mem: memstore.New()} },
		"Grants", "one of many takes a code"},
	{"a code is anybody's", func() store.Store { return &anybodysCode{mem: memstore.New()} },
		"Grants", "another client's code is left as it was"},
	{"a used code is forgotten", func() store.Store { return &forgetsUsed{mem: memstore.New()} },
		"Grants", "a replay is recognised"},
	{"revocation leaves access tokens", func() store.Store { return &leavesTokens{mem: memstore.New()} },
		"Grants", "a revoked grant ends with all its tokens"},
	{"revocation leaves no tombstone", func() store.Store { return &noTombstone{mem: memstore.New()} },
		"Grants", "a grant can be revoked before it is stored"},
	{"revocation of a user's grants forgets the codes", func() store.Store { return &leavesCodes{mem: memstore.New()} },
		"Grants", "a user's grants are revoked"},
	{"a grant is stored before its token", func() store.Store { return &halfGrant{mem: memstore.New()} },
		"Grants", "what is taken conflicts"},
	{"a swap does not compare", func() store.Store { return &blindSwap{mem: memstore.New()} },
		"RememberSeries", "one of many swaps succeeds"},
	{"a swap forgets a field", func() store.Store { return &dropsField{mem: memstore.New()} },
		"RememberSeries", "a series is swapped whole"},
	{"idle sessions are found", func() store.Store { return &ignoresIdle{mem: memstore.New()} },
		"Sessions", "an expired session is absent"},
	{"expired records are in the way", func() store.Store { return &expiredInTheWay{mem: memstore.New()} },
		"Runs", "an expired run is absent"},
	{"a touch brings a session back", func() store.Store { return &resurrects{mem: memstore.New()} },
		"Sessions", "a touch resurrects nothing"},
	{"a touch is set, not raised", func() store.Store { return &touchesBack{mem: memstore.New()} },
		"Sessions", "a touch never moves back"},
	{"a session is ended, then replaced", func() store.Store { return &endThenCreate{mem: memstore.New()} },
		"Sessions", "a replacement that conflicts ends nothing"},
	{"the zero handle is a handle", func() store.Store { return &zeroIsKey{mem: memstore.New()} },
		"Sessions", "the zero digest is none"},
	{"lists begin with the oldest", func() store.Store { return &oldestFirst{mem: memstore.New()} },
		"Sessions", "a user's sessions are listed"},
	{"an ended context is ignored", func() store.Store { return &ignoresContext{mem: memstore.New()} },
		"Sessions", "every method heeds an ended context"},
	{"a credential can be taken over by an update", func() store.Store { return &stealsCredential{mem: memstore.New()} },
		"Users", "an update with a taken credential conflicts"},
	{"a user starts with the version given", func() store.Store { return &keepsVersion{mem: memstore.New()} },
		"Users", "a user starts with version 1"},
	{"records share memory", func() store.Store { return &shares{mem: memstore.New()} },
		"Users", "records are values"},
	{"an absorbed ID leads nowhere", func() store.Store { return &leadsNowhere{mem: memstore.New()} },
		"Merges", "an ID leads through every merge"},
	{"a merge is done before its callback", func() store.Store { return &callsLate{mem: memstore.New()} },
		"Merges", "an error of the callback undoes all"},
	{"a merge is read, then written", func() store.Store { return &mergesInSteps{mem: memstore.New()} },
		"Merges", "what has changed conflicts"},
	{"an undo looks, then writes", func() store.Store { return &undoesTwice{mem: memstore.New()} },
		"Merges", "one of many undoes"},
	{"an absorbed ID is free again", func() store.Store { return &freesAbsorbed{mem: memstore.New()} },
		"Merges", "the absorbed ID and Number stay taken"},
	{"client IDs ignore case", func() store.Store { return &ignoresCase{mem: memstore.New()} },
		"Clients", "IDs are compared exactly"},
	{"a client forgets a flag", func() store.Store { return &dropsFlag{mem: memstore.New()} },
		"Clients", "every field comes back"},
	{"times are whole seconds", func() store.Store { return &seconds{mem: memstore.New()} },
		"Runs", "every field comes back"},
	{"times come back in local time", func() store.Store { return &localTime{mem: memstore.New()} },
		"Runs", "every field comes back"},
	{"the zero time becomes 1970", func() store.Store { return &epoch{mem: memstore.New()} },
		"Runs", "every field comes back"},
	{"an older one-time code still passes", func() store.Store { return &olderPasses{mem: memstore.New()} },
		"OneTimeCodes", "a newer code replaces the older"},
	{"a wrong guess burns the code", func() store.Store { return &burns{mem: memstore.New()} },
		"OneTimeCodes", "a wrong code leaves the right one"},
	{"the window slides", func() store.Store { return newOwnCounter(slides) },
		"Counters", "the end of a window does not move"},
	{"an addition is read, then written", func() store.Store { return newOwnCounter(loses) },
		"Counters", "no addition is lost"},
	{"a counter falls below zero", func() store.Store { return newOwnCounter(negative) },
		"Counters", "giving back stops at zero"},
	{"a person is looked up, then linked", func() store.Store { return &looksThenLinks{mem: memstore.New()} },
		"DirectoryLinks", "one of many gets a person"},
	{"a person is anybody in another directory", func() store.Store { return &perDirectory{mem: memstore.New()} },
		"DirectoryLinks", "a person belongs to one user"},
	{"a sweep stops short", func() store.Store { return &sweepsHalf{mem: memstore.New()} },
		"Store", "a sweep removes what has expired, a batch at a time"},
	{"a tie is taken over", func() store.Store { return &takesTieOver{mem: memstore.New()} },
		"Users", "an update with a taken tie conflicts"},
	{"a creation is looked up, then made", func() store.Store { return &looksThenCreates{mem: memstore.New()} },
		"Customers", "many creations make one customer"},
	{"a customer number is given twice", func() store.Store { return &reusesNumbers{mem: memstore.New()} },
		"Customers", "a created customer gets the next number"},
	{"memberships of all partners are one", func() store.Store { return &mixesPartners{mem: memstore.New()} },
		"Memberships", "an unknown or ended membership"},
	{"subscriptions are listed as they came", func() store.Store { return &listsAsTheyCame{mem: memstore.New()} },
		"Subscriptions", "a customer's subscriptions are listed"},
	{"a ticket is looked up, then taken", func() store.Store { return &looksThenTakes{mem: memstore.New()} },
		"Tickets", "one of many takes a ticket"},
	{"a ticket is used up by anybody", func() store.Store { return &anybodysTicket{mem: memstore.New()} },
		"Tickets", "another client's ticket is left as it was"},
	{"tickets of all kinds are one", func() store.Store { return &oneKind{mem: memstore.New()} },
		"Tickets", "kinds do not meet"},
	{"a used ticket is free again", func() store.Store { return &freesUsed{mem: memstore.New()} },
		"Tickets", "a taken hash conflicts"},
	{"used tickets outlive their user", func() store.Store { return &keepsUsed{mem: memstore.New()} },
		"Tickets", "a user's tickets are dropped"},
	{"tickets share memory", func() store.Store { return &sharesData{mem: memstore.New()} },
		"Tickets", "records are values"},
	{"a generation is looked up, then made", func() store.Store { return &looksForGeneration{mem: memstore.New()} },
		"SigningKeys", "one of many makes a generation"},
	{"the oldest key is listed first", func() store.Store { return &oldestKeyFirst{mem: memstore.New()} },
		"SigningKeys", "keys are listed in order"},
	{"all algorithms count together", func() store.Store { return &oneAlgorithm{mem: memstore.New()} },
		"SigningKeys", "what is taken conflicts"},
	{"a consent replaces the one before", func() store.Store { return &replacesConsent{mem: memstore.New()} },
		"Consents", "scopes are added"},
	{"a consent is read, then written", func() store.Store { return &addsInSteps{mem: memstore.New()} },
		"Consents", "no addition is lost"},
	{"a consent keeps its first time", func() store.Store { return &firstConsent{mem: memstore.New()} },
		"Consents", "scopes are added"},
	{"a delivery is found, then claimed", func() store.Store { return newOwnOutbox(handsOutTwice) },
		"Outbox", "no two get the same"},
	{"a retry asks for no attempt", func() store.Store { return newOwnOutbox(retriesBlindly) },
		"Outbox", "a retry is of the last claim"},
	{"deliveries come in any order", func() store.Store { return newOwnOutbox(anyOrder) },
		"Outbox", "the longest due is claimed first"},
	{"a delivery that was given up is claimed", func() store.Store { return newOwnOutbox(handsOutExpired) },
		"Outbox", "an expired delivery is absent"},
	{"attempts are not counted", func() store.Store { return newOwnOutbox(forgetsAttempt) },
		"Outbox", "a claim lapses"},
	{"a visit is read, then written", func() store.Store { return &visitsInSteps{mem: memstore.New()} },
		"Sessions", "no visit is lost"},
	{"a replacement forgets the visits", func() store.Store { return &forgetsVisits{mem: memstore.New()} },
		"Sessions", "a replacement inherits the visits"},
	{"a voucher is looked up, then spent", func() store.Store { return &looksThenSpends{mem: memstore.New()} },
		"Vouchers", "one of many spends a voucher"},
	{"a use is not known again", func() store.Store { return &spendsOnce{mem: memstore.New()} },
		"Vouchers", "the same use again"},
	{"an import makes vouchers good again", func() store.Store { return &importsAnew{mem: memstore.New()} },
		"Vouchers", "a spent voucher stays spent when it is replaced"},
	{"coupons are sorted as text", func() store.Store { return &numbersAsText{mem: memstore.New()} },
		"Coupons", "coupons are listed"},
	{"an undone merge takes all accesses along", func() store.Store { return &returnsAll{mem: memstore.New()} },
		"Accesses", "accesses move with a merge, and back"},
	{"a mark is any mark", func() store.Store { return &anyMarks{mem: memstore.New()} },
		"Organisations", "organisations are found by mark"},
	{"a replacement inserts", func() store.Store { return &insertsWhatIsMissing{mem: memstore.New()} },
		"Customers", "a customer is replaced if there is one"},
}
