package publisher

import (
	"context"
	"net/netip"
	"time"
)

// Access decides who may read what at one partner. Implementations are safe for
// concurrent use and obey the context. An error is an outage: it lets nobody in.
type Access interface {
	// Check says whether the reader may read what she asks for. All that is given
	// in the question has to match one right of hers.
	Check(ctx context.Context, q Question) (Verdict, error)
	// Products returns what the reader has of the partner's products, by product;
	// none is no error.
	Products(ctx context.Context, r Reader) ([]ProductAccess, error)
}

// Reader is somebody who reads, as far as the kit knows her. The zero values say
// that it does not.
type Reader struct {
	PartnerID string
	UserID    string  // uniqueId: 32 hexadecimal digits
	Customers []int64 // the customer numbers that are hers
	Domains   []string
	// Tenants are the companies whose directories she is registered with. They
	// are filled in for a [Question] that is ByDirectory.
	Tenants []string
}

// Question asks whether a reader may read something. What is not given does not
// count.
type Question struct {
	Reader       Reader
	ClientID     string
	Product      string
	ArticleID    string
	CategoryType string
	// Address, Domain, ByDomain and ByDirectory ask for a right that the reader
	// has through an organisation: because of where she comes from, because of an
	// e-mail address of hers in that domain or in any, or because she is
	// registered with its directory.
	Address     netip.Addr
	Domain      string
	ByDomain    bool
	ByDirectory bool
	// WithFamily also counts what others share with her.
	WithFamily bool
	// ListArticles asks for the articles that she may read one by one.
	ListArticles bool
}

// throughOrganisation reports whether only the right of an organisation counts.
func (q Question) throughOrganisation() bool {
	return q.Address.IsValid() || q.Domain != "" || q.ByDomain || q.ByDirectory
}

// AccessType is what a right is worth (ConnectID: accessType).
type AccessType string

// The types of access.
const (
	AccessAll    AccessType = "A" // without an end
	AccessPeriod AccessType = "B" // between the times
	AccessNone   AccessType = "D"
)

// AccessLevel is whose right it is (ConnectID: accessLevel).
type AccessLevel string

// The levels of access.
const (
	LevelOwn    AccessLevel = "A" // the reader's own, or everybody's
	LevelShared AccessLevel = "B" // her organisation's, or shared by her family
	LevelNone   AccessLevel = "C" // nobody's
)

// Right is a right that matches a question.
type Right struct {
	Allowed  bool // at this time
	Level    AccessLevel
	Type     AccessType
	StartsAt time.Time // of AccessPeriod; zero when it is not known
	EndsAt   time.Time
}

// Verdict answers a [Question].
type Verdict struct {
	Allowed bool    // one of the rights is
	Rights  []Right // that match, also those that are over or begin later
	// Articles are the IDs of those that she may read one by one, if they were
	// asked for.
	Articles []string
}

// ProductAccess is what a reader has of one product.
type ProductAccess struct {
	Product  string
	Type     AccessType
	StartsAt time.Time // of AccessPeriod
	EndsAt   time.Time
}
