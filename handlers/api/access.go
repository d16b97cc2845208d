package api

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// AccessRequest asks whether somebody may read something: the request of POST
// v1/customer/access and v1/client/access. All that is given has to match.
type AccessRequest struct {
	Product   string `json:"product"`
	ArticleID string `json:"articleId"`
	// Domain asks for the right of an organisation in whose domain the reader has
	// an e-mail address, and IP for that of one from whose addresses she comes.
	Domain       string `json:"domain"`
	IP           string `json:"ip"`
	CategoryType string `json:"categoryType"` // of the product
	// AccessDomain is Domain for whichever the reader has an e-mail address in.
	AccessDomain bool `json:"accessDomain"`
	// AccessArticle also lists the articles that she may read one by one, unless
	// ArticleID is given.
	AccessArticle bool `json:"accessArticle"`
	// AccessAzureAd asks for the right of an organisation with whose directory
	// she is registered.
	AccessAzureAd bool `json:"accessAzureAd"`
	// AccessAidFamily also counts what others share with her.
	AccessAidFamily bool `json:"accessAidFamily"`
	// Who reads. In user mode these have to be the user's own; in client mode one
	// of IP, UniqueID and Credential is required.
	UniqueID       string `json:"uniqueId"`
	CustomerNumber int64  `json:"customerNumber"`
	Credential     string `json:"credential"`
}

// AccessResponse says whether somebody may read something.
type AccessResponse struct {
	XMLName xml.Name `json:"-" xml:"access"`
	Access  bool     `json:"access" xml:"access"` // one of Accesses has it
	// Accesses are the rights that match what is asked, also those that are over
	// or begin later; a single one of type D when there is none.
	Accesses []AccessRight `json:"accesses" xml:"accesses>access"`
	// Articles are those that the reader may read one by one, if they were asked for.
	Articles []string `json:"articles,omitempty" xml:"articles>articleId,omitempty"`
}

// AccessRight is one right to read.
type AccessRight struct {
	Access bool `json:"access" xml:"access"`
	// AccessLevel is A for the reader's own right, B for that of her organisation
	// or family, and C for none.
	AccessLevel string `json:"accessLevel" xml:"accessLevel"`
	// AccessType is A for all, B for between the times, D for none.
	AccessType string `json:"accessType" xml:"accessType"`
	StartTime  int64  `json:"startTime,omitzero" xml:"startTime,omitempty"`
	EndTime    int64  `json:"endTime,omitzero" xml:"endTime,omitempty"`
}

// userAccess serves POST v1/customer/access.
func (s *Server) userAccess(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	u, err := s.user(r.Context(), t)
	if err != nil {
		return err
	}
	return s.access(w, r, t, &u)
}

// clientAccess serves POST v1/client/access.
func (s *Server) clientAccess(w http.ResponseWriter, r *http.Request, t middleware.Token) error {
	return s.access(w, r, t, nil)
}

// access answers who is logged in, or in client mode, with nil, anybody.
func (s *Server) access(w http.ResponseWriter, r *http.Request, t middleware.Token, user *store.User) error {
	var in AccessRequest
	if err := decode(r, &in); err != nil {
		return err
	}
	q, who, err := in.question(t.Client)
	if err != nil {
		return err
	}
	person := user != nil || who.UserID != "" || who.Contact.Identity != ""
	switch {
	case !person && !q.Address.IsValid():
		return badRequest("one of ip, uniqueId and credential is required")
	case !person && (in.Domain != "" || in.AccessDomain || in.AccessAzureAd || in.AccessAidFamily):
		return badRequest("domain, accessDomain, accessAzureAd and accessAidFamily need a uniqueId or a credential")
	case t.Client.Public && q.Address.IsValid() && q.Address != s.c.Addresses.Of(r).Unmap():
		// Whoever has the app could name the address of a company.
		return badRequest("an app may only ask for the ip that it calls from")
	}
	var v publisher.Verdict
	var known bool
	q.Reader, known, err = s.c.Publishers.Reader(r.Context(), who, user)
	if err == nil && known {
		v, err = s.c.Publishers.Check(r.Context(), q)
	}
	if err != nil {
		return fmt.Errorf("check access: %w", err)
	}
	return s.reply(w, r, accessOf(v))
}

// question returns what is asked and who is meant, or what is wrong with it.
func (in AccessRequest) question(client *store.Client) (publisher.Question, publisher.Identity, error) {
	q := publisher.Question{
		ClientID: client.ID, Product: in.Product, ArticleID: in.ArticleID, CategoryType: in.CategoryType,
		ByDomain: in.AccessDomain, ByDirectory: in.AccessAzureAd, WithFamily: in.AccessAidFamily, ListArticles: in.AccessArticle,
	}
	who := publisher.Identity{PartnerID: client.PartnerID, ClientID: client.ID, UserID: in.UniqueID, CustomerNumber: in.CustomerNumber}
	if err := texts(maxText, map[string]*string{
		"product": &q.Product, "articleId": &q.ArticleID, "categoryType": &q.CategoryType, "uniqueId": &who.UserID,
	}); err != nil {
		return q, who, err
	}
	if in.CustomerNumber < 0 {
		return q, who, badRequest("customerNumber has to be a whole number above zero")
	}
	if in.IP != "" {
		addr, err := netip.ParseAddr(in.IP)
		if err != nil || addr.Zone() != "" {
			return q, who, badRequest("ip has to be an IPv4 or IPv6 address")
		}
		q.Address = addr.Unmap()
	}
	if in.Domain != "" {
		// As it stands in the e-mail addresses of readers.
		c, err := contact("domain", "x@"+in.Domain, store.Email, "")
		if err != nil {
			return q, who, badRequest("domain has to be the domain of e-mail addresses")
		}
		q.Domain = c.Identity[len("x@"):]
	}
	if in.Credential != "" {
		c, err := account.ParseCredential(in.Credential, client.Region)
		if err != nil {
			return q, who, badRequest("credential has to be an e-mail address or a phone number")
		}
		who.Contact = publisher.Contact{Kind: c.Kind, Identity: c.Identity}
	}
	return q, who, nil
}

func accessOf(v publisher.Verdict) *AccessResponse {
	out := &AccessResponse{Access: v.Allowed, Articles: v.Articles}
	for _, right := range v.Rights {
		out.Accesses = append(out.Accesses, AccessRight{
			Access: right.Allowed, AccessLevel: string(right.Level), AccessType: string(right.Type),
			StartTime: millis(right.StartsAt), EndTime: millis(right.EndsAt),
		})
	}
	if len(out.Accesses) == 0 {
		none := AccessRight{AccessLevel: string(publisher.LevelNone), AccessType: string(publisher.AccessNone)}
		if v.Allowed { // by a system that does not say why
			none = AccessRight{Access: true, AccessLevel: string(publisher.LevelOwn), AccessType: string(publisher.AccessAll)}
		}
		out.Accesses = []AccessRight{none}
	}
	return out
}
