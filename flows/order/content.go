package order

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/store"
)

// What an order may hold. Lengths are in characters.
const (
	maxExternalID = 40
	maxLines      = 100
	maxQuantity   = 10_000
	maxContacts   = 10
	maxAmount     = 1_000_000_000_000 // in minor units
	maxCode       = 100
	maxText       = 200
	maxInfo       = 1000
	// maxAccess bounds temporary access: it is for the days until an order is
	// handled, not a subscription of its own.
	maxAccess = 31 * 24 * 60 * 60
	// startWithin is how far a start may lie from the day of the order.
	startWithin = 366 * 24 * time.Hour
)

// The kinds of lines (ConnectID: productSpecType).
const (
	specCoupon  = "coupon"
	specProduct = "product"
	specIssue   = "issue"
	specArticle = "article"
)

func refuse(field, format string, args ...any) error {
	return &RefusedError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// encodeContent returns the content as it is kept with the order.
func encodeContent(c Content) ([]byte, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode order: %w", err)
	}
	return data, nil
}

// decodeContent is the opposite of encodeContent. An order that was given up before
// it was placed has no content.
func decodeContent(data []byte) (Content, error) {
	if len(data) == 0 {
		return Content{}, nil
	}
	var c Content
	if err := json.Unmarshal(data, &c); err != nil {
		return Content{}, fmt.Errorf("decode order: %w", err)
	}
	return c, nil
}

// clone returns a copy that shares nothing that check and pricing change.
func (c Content) clone() Content {
	c.Payer.Emails, c.Payer.PhoneNumbers = slices.Clone(c.Payer.Emails), slices.Clone(c.Payer.PhoneNumbers)
	c.Lines = slices.Clone(c.Lines)
	for i := range c.Lines {
		if r := c.Lines[i].Receiver; r != nil {
			p := *r
			p.Emails, p.PhoneNumbers = slices.Clone(p.Emails), slices.Clone(p.PhoneNumbers)
			c.Lines[i].Receiver = &p
		}
	}
	return c
}

// text is a field that is read by people or passed on as it is.
type text struct {
	field string
	value *string
	most  int
}

// checkTexts trims the fields, and refuses what no field of an order holds.
func checkTexts(all []text) error {
	for _, t := range all {
		*t.value = strings.TrimSpace(*t.value)
		switch {
		case !utf8.ValidString(*t.value):
			return refuse(t.field, "is not in UTF-8")
		case utf8.RuneCountInString(*t.value) > t.most:
			return refuse(t.field, "is longer than %d characters", t.most)
		case strings.ContainsFunc(*t.value, unicode.IsControl):
			return refuse(t.field, "has a control character")
		}
	}
	return nil
}

// check refuses what is wrong with the content whatever the catalogue says, and
// brings it into the form in which it is kept.
func (c *Content) check(client *store.Client, now time.Time) error {
	if err := checkExternalID(c.ExternalID); err != nil {
		return err
	}
	err := checkTexts([]text{
		{"merchantId", &c.MerchantID, maxCode}, {"currency", &c.Currency, 3},
		{"marketingCouponCode", &c.MarketingCode, maxCode}, {"companyCode", &c.CompanyCode, maxCode},
		{"customerReference", &c.CustomerReference, maxText}, {"uniqueUserId", &c.UniqueUserID, maxCode},
		{"seller", &c.Seller, maxText}, {"salesMethod", &c.SalesMethod, maxText},
		{"paymentInfo", &c.PaymentInfo, maxInfo}, {"mcPayRef", &c.PaymentRef, maxCode},
	})
	if err != nil {
		return err
	}
	c.Forgotten, c.NewCustomer = false, false
	switch {
	case !c.Method.known():
		return refuse("paymentMethod", "is none that is known")
	case c.OrderDate.IsZero():
		c.OrderDate = now
	case c.OrderDate.Year() < 1970 || c.OrderDate.After(now.Add(24*time.Hour)):
		return refuse("orderDate", "lies in the future, or before 1970")
	}
	c.OrderDate = c.OrderDate.UTC().Truncate(time.Millisecond)
	switch {
	case c.Amount != nil && (*c.Amount < 0 || *c.Amount > maxAmount):
		return refuse("orderAmount", "is below zero or too large")
	case c.Currency != "" && !publisher.IsCurrency(c.Currency):
		return refuse("currency", "is no currency of ISO 4217 that prices can be in")
	case c.MarketingCode != "" && c.MarketingNumber == 0:
		return refuse("marketingCouponNumber", "is missing: marketingCouponCode is nothing without it")
	case c.MarketingCode == "" && c.MarketingNumber != 0:
		return refuse("marketingCouponCode", "is missing: marketingCouponNumber is nothing without it")
	case c.MarketingNumber < 0:
		return refuse("marketingCouponNumber", "is below one")
	case c.Prepaid && c.PaymentInfo == "":
		return refuse("paymentInfo", "is missing: a prepaid order says how it was paid for")
	case c.Prepaid && c.PaymentRef != "":
		return refuse("mcPayRef", "is given with prepaid")
	case len(c.Lines) == 0:
		return refuse("orderLines", "are missing")
	case len(c.Lines) > maxLines:
		return refuse("orderLines", "are more than %d", maxLines)
	}
	if err := c.Payer.check("payer", client, now); err != nil {
		return err
	}
	for i := range c.Lines {
		if err := c.Lines[i].check(fmt.Sprintf("orderLines[%d]", i), client, now); err != nil {
			return err
		}
		for j, other := range c.Lines[:i] {
			if other.VoucherCode != "" && other.VoucherCode == c.Lines[i].VoucherCode {
				return refuse(fmt.Sprintf("orderLines[%d].voucherCode", i), "pays for orderLines[%d] already", j)
			}
		}
	}
	return nil
}

func checkExternalID(id string) error {
	switch {
	case utf8.RuneCountInString(id) > maxExternalID:
		return refuse("externalOrderId", "is longer than %d characters", maxExternalID)
	case !utf8.ValidString(id), strings.ContainsFunc(id, unicode.IsControl):
		return refuse("externalOrderId", "has a control character, or is not in UTF-8")
	}
	return nil
}

// known reports whether m is a method of the documents, or none.
func (m Method) known() bool {
	switch m {
	case "", Free, Invoice, CreditCard, CreditCardPayEx, VippsRecurring, VippsEcommerce, SwishPayEx, KlarnaCheckout, Nexi, SMS, OtherMethod:
		return true
	}
	return false
}

func (p *Person) check(field string, client *store.Client, now time.Time) error {
	if p.empty() {
		return refuse(field, "is missing")
	}
	err := checkTexts([]text{
		{field + ".companyName", &p.CompanyName, maxText}, {field + ".firstName", &p.FirstName, maxText},
		{field + ".lastName", &p.LastName, maxText}, {field + ".street", &p.Street, maxText},
		{field + ".streetNumber", &p.StreetNumber, 20}, {field + ".entrance", &p.Entrance, 20}, {field + ".floor", &p.Floor, 20},
		{field + ".coAddress", &p.COAddress, maxText}, {field + ".postalCode", &p.PostalCode, 20},
		{field + ".postalPlace", &p.PostalPlace, maxText}, {field + ".countryCode", &p.CountryCode, 2},
		{field + ".birthDate", &p.BirthDate, 10},
	})
	if err != nil {
		return err
	}
	p.CountryCode = strings.ToUpper(p.CountryCode)
	if p.CountryCode == "" { // where the site's readers are
		if p.CountryCode = client.Region; p.CountryCode == "" {
			p.CountryCode = "NO"
		}
	}
	switch {
	case p.CustomerNumber < 0:
		return refuse(field+".customerNumber", "is below one")
	case p.CompanyName == "" && p.LastName == "":
		return refuse(field+".lastName", "is missing, and companyName too")
	case p.PostalCode == "":
		return refuse(field+".postalCode", "is missing")
	case !publisher.IsCountry(p.CountryCode):
		return refuse(field+".countryCode", "is no country of ISO 3166-1 alpha-2")
	case len(p.Emails) == 0 && len(p.PhoneNumbers) == 0:
		return refuse(field+".emails", "are missing, and phoneNumbers too")
	case len(p.Emails) > maxContacts:
		return refuse(field+".emails", "are more than %d", maxContacts)
	case len(p.PhoneNumbers) > maxContacts:
		return refuse(field+".phoneNumbers", "are more than %d", maxContacts)
	}
	if p.BirthDate != "" {
		born, err := time.Parse(time.DateOnly, p.BirthDate)
		if err != nil || born.Year() < 1850 || born.After(now) {
			return refuse(field+".birthDate", "is no day in the past, as yyyy-mm-dd")
		}
	}
	for i, e := range p.Emails {
		if _, ok := canonicalEmail(strings.TrimSpace(e)); !ok {
			return refuse(fmt.Sprintf("%s.emails[%d]", field, i), "is no e-mail address")
		}
		p.Emails[i] = strings.TrimSpace(e)
	}
	for i, n := range p.PhoneNumbers {
		number, ok := canonicalPhone(n)
		if !ok {
			return refuse(fmt.Sprintf("%s.phoneNumbers[%d]", field, i), "is no phone number in the form of E.164, such as +4790012345")
		}
		p.PhoneNumbers[i] = number
	}
	return nil
}

// empty reports whether nothing is said of the person.
func (p Person) empty() bool {
	return len(p.Emails) == 0 && len(p.PhoneNumbers) == 0 && p.same(Person{})
}

// same reports whether q is the same person, in the same words.
func (p Person) same(q Person) bool {
	if !slices.Equal(p.Emails, q.Emails) || !slices.Equal(p.PhoneNumbers, q.PhoneNumbers) {
		return false
	}
	return p.CustomerNumber == q.CustomerNumber && p.CompanyName == q.CompanyName && p.FirstName == q.FirstName && p.LastName == q.LastName &&
		p.Street == q.Street && p.StreetNumber == q.StreetNumber && p.Entrance == q.Entrance && p.Floor == q.Floor && p.COAddress == q.COAddress &&
		p.PostalCode == q.PostalCode && p.PostalPlace == q.PostalPlace && p.CountryCode == q.CountryCode && p.BirthDate == q.BirthDate
}

// canonicalEmail returns the address in the form of [store.Credential]: in lower
// case, with an ASCII domain.
func canonicalEmail(s string) (string, bool) {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return "", false
	}
	at := strings.LastIndexByte(s, '@')
	domain, err := idna.Lookup.ToASCII(s[at+1:])
	if err != nil || !strings.Contains(domain, ".") || strings.ContainsAny(s[:at], "\" ") {
		return "", false
	}
	return strings.ToLower(s[:at]) + "@" + domain, true
}

// canonicalPhone returns the number as E.164; one without its country is none.
func canonicalPhone(s string) (string, bool) {
	if s = strings.TrimSpace(s); len(s) > 40 || !strings.HasPrefix(s, "+") {
		return "", false
	}
	n, err := phonenumbers.Parse(s, "")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

func (l *Line) check(field string, client *store.Client, now time.Time) error {
	err := checkTexts([]text{
		{field + ".productSpecType", &l.SpecType, maxCode}, {field + ".productSpecCode", &l.SpecCode, maxCode}, {field + ".product", &l.Product, maxCode},
		{field + ".voucherCode", &l.VoucherCode, maxCode}, {field + ".allowAccessProduct", &l.AccessProduct, maxCode},
	})
	if err != nil {
		return err
	}
	if l.Quantity == 0 {
		l.Quantity = 1
	}
	switch {
	case l.SpecType == specCoupon && l.SpecCode == "":
		return refuse(field+".productSpecCode", "is missing: it names the coupon")
	case l.SpecType == specCoupon && l.SpecNo <= 0:
		return refuse(field+".productSpecNo", "is missing: it names the coupon")
	case l.SpecType == specProduct:
		if l.SpecCode == "" {
			l.SpecCode = l.Product
		}
		if l.SpecCode == "" {
			return refuse(field+".productSpecCode", "is missing: it names the product")
		}
		if l.Product != "" && l.Product != l.SpecCode {
			return refuse(field+".product", "is another than productSpecCode")
		}
		l.Product = l.SpecCode
	case (l.SpecType == specIssue || l.SpecType == specArticle) && l.SpecCode == "":
		return refuse(field+".productSpecCode", "is missing: it names the %s", l.SpecType)
	case l.SpecType == "":
		return refuse(field+".productSpecType", "is missing")
	case l.SpecType != specCoupon && l.SpecType != specIssue && l.SpecType != specArticle:
		return refuse(field+".productSpecType", "is none of coupon, product, issue and article")
	}
	switch {
	case l.SpecNo < 0:
		return refuse(field+".productSpecNo", "is below zero")
	case l.Quantity < 1 || l.Quantity > maxQuantity:
		return refuse(field+".quantity", "is not between 1 and %d", maxQuantity)
	case l.UnitPrice != nil && (*l.UnitPrice < 0 || *l.UnitPrice > maxAmount):
		return refuse(field+".unitPrice", "is below zero or too large")
	case l.VoucherCode != "" && l.SpecType != specCoupon:
		return refuse(field+".voucherCode", "pays for coupons only")
	case l.VoucherCode != "" && l.Quantity != 1:
		return refuse(field+".quantity", "is more than the one that a voucher pays for")
	case l.AccessSeconds < 0 || l.AccessSeconds > maxAccess:
		return refuse(field+".allowAccessSeconds", "is not between 1 and %d", maxAccess)
	case l.AccessProduct != "" && l.AccessSeconds == 0:
		return refuse(field+".allowAccessSeconds", "is missing: allowAccessProduct is nothing without it")
	case !l.StartDate.IsZero() && (l.StartDate.Before(now.Add(-startWithin)) || l.StartDate.After(now.Add(startWithin))):
		return refuse(field+".startInfo.startDate", "lies more than a year away")
	}
	if !l.StartDate.IsZero() {
		l.StartDate = l.StartDate.UTC().Truncate(time.Millisecond)
	}
	// What the catalogue says is not for callers to write.
	l.Price, l.VATAmount, l.VATPercent, l.Name, l.ProductType, l.Digital = 0, 0, 0, "", "", false
	l.Period, l.Renewal, l.ExtraProducts = Period{}, Renewal{}, nil
	if l.Receiver != nil {
		return l.Receiver.check(field+".receiver", client, now)
	}
	return nil
}

// receiver returns who gets the line, and whether that is somebody else than the
// payer.
func (c Content) receiver(l Line) (Person, bool) {
	if l.Receiver == nil || l.Receiver.same(c.Payer) {
		return c.Payer, false
	}
	return *l.Receiver, true
}
