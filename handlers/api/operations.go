package api

import "encoding/json"

// tags are the chapters of the documentation, in their order.
var tags = []struct{ name, text string }{
	{"Users", "Who is logged in."},
	{"External identities", "Users whom a system outside knows already."},
	{"Customers", "What the publisher knows of its customers."},
	{"Access", "Who may read what."},
	{"Subscriptions", "What customers subscribe to."},
	{"Products", "What the publisher sells."},
	{"Coupons", "How it is sold: prices, periods, campaigns and vouchers."},
	{"Orders", "What is ordered, and how far it has come."},
}

// pathParams are the parameters of paths.
var pathParams = map[string]pathParam{
	"customerNumber": {"The customer's number at the publisher of the calling client.", &schema{Type: "integer", Format: "int64", Minimum: new(1)}, 204117},
	"orderId":        {"The order's number, as the call answered that placed it.", &schema{Type: "integer", Format: "int64", Minimum: new(1)}, 4503599627370},
	"productCode":    {"The code of a product of the publisher.", &schema{Type: "string", MinLength: 1}, "DIGITAL"},
	"voucherCode":    {"The code on the voucher.", &schema{Type: "string", MinLength: 1}, "GAVE-2044"},
}

// Parameters of more than one query.
var (
	shopParam = queryParam{"shop", "Only what is sold in the web shop.", &schema{Type: "boolean"}, nil}
	codeParam = queryParam{"productId", "Only the product with this code.", &schema{Type: "string", MaxLength: maxText}, nil}
)

// common describes members that mean the same wherever they stand.
var common = map[string]string{
	"accessType":        "A for all, B for what lies between the times, D for none.",
	"companyCode":       "The company that sells it.",
	"countryCode":       "ISO 3166, alpha-2.",
	"couponCode":        "With couponNumber, names the coupon.",
	"couponNumber":      "With couponCode, names the coupon.",
	"coupons":           "Those that can be used now.",
	"credential":        "An e-mail address or a phone number in the form of E.164.",
	"currency":          "ISO 4217.",
	"customerNumber":    "The customer's number at the publisher of the calling client.",
	"endTime":           "Until when, in milliseconds since 1970.",
	"externalOrderId":   "The client's own name for the order.",
	"fulfillmentStatus": "What has become of the order.",
	"orderAmount":       "In the currency, with two decimals at most.",
	"orderId":           "The order's number.",
	"orderLines":        "What is ordered.",
	"orders":            "The latest first.",
	"periodLength":      "How many of periodType.",
	"price":             "In the currency, with two decimals at most.",
	"product":           "The product's code.",
	"productId":         "The product's code.",
	"retailPrice":       "In the currency, with two decimals at most.",
	"startTime":         "From when, in milliseconds since 1970.",
	"uniqueId":          "The user's, 32 hexadecimal digits.",
	"userCredentials":   "All that the user can log in with.",
	"vatPercent":        "Of the price, with two decimals at most.",
	"vatpercent":        "Of the price, with two decimals at most.",
	"webOfferPrice":     "What it costs in the web shop, in the currency.",
}

// facets say more of a member than its Go type does, by the struct that declares
// it and its name in JSON; "*" stands for every other struct.
var facets = map[string]func(*schema){
	"*.accessType":                           oneOf("A", "B", "D"),
	"*.countryCode":                          pattern("^[A-Z]{2}$"),
	"*.currency":                             pattern("^[A-Z]{3}$"),
	"*.periodType":                           oneOf("days", "weeks", "months", "years"),
	"*.phoneNumber":                          pattern(`^\+[0-9]{5,15}$`),
	"*.uniqueId":                             pattern("^[0-9a-f]{32}$"),
	"OrderUser.uniqueUserId":                 pattern("^[0-9a-f]{32}$"),
	"*.linkLifetime":                         func(s *schema) { s.Minimum, s.Maximum = new(1), new(30) },
	"*.startTime":                            func(s *schema) { s.Minimum = new(0) },
	"*.endTime":                              func(s *schema) { s.Minimum = new(0) },
	"*.changedAfter":                         func(s *schema) { s.Minimum = new(0) },
	"*.customerNumber":                       func(s *schema) { s.Minimum = new(1) },
	"*.orderId":                              func(s *schema) { s.Minimum = new(1) },
	"*.orderTime":                            func(s *schema) { s.Minimum = new(0) },
	"*.orderStatus":                          oneOf("preliminary", "awaitingPayment", "paid", "cancelled", "failed", "handedOver"),
	"*.fulfillmentStatus":                    oneOf("OK", "ERROR", "PENDING"),
	"*.externalOrderId":                      func(s *schema) { s.MaxLength = 40 },
	"*.productSpecType":                      oneOf("coupon", "product", "issue", "article"),
	"*.product":                              func(s *schema) { s.MaxLength = maxText },
	"*.articleId":                            func(s *schema) { s.MaxLength = maxText },
	"AccessRequest.ip":                       func(s *schema) { s.Description += " An IPv4 or IPv6 address." },
	"AccessRight.accessLevel":                oneOf("A", "B", "C"),
	"Credential.credentialType":              oneOf("email", "phone"),
	"Credential.verificationLevel":           oneOf(0, 1),
	"CustomerData.invoiceEmailAddress":       func(s *schema) { s.MaxLength = maxInvoiceEmail },
	"ExternalIdentity.credentialType":        externalType,
	"ExternalIdentityRequest.credentialType": externalType,
	"ExternalIdentityRequest.externalId":     func(s *schema) { s.MinLength, s.MaxLength = 1, 60 },
	"ExternalSource.source":                  externalType,
	"OldNaming.credentialType":               oneOf("A", "B"),
	"Subscription.shareType":                 oneOf("USERS", "NETS", "B2B"),
}

var externalType = oneOf("D", "E", "H", "I", "L", "M", "X", "Z")

func oneOf(values ...any) func(*schema) { return func(s *schema) { s.Enum = values } }

func pattern(p string) func(*schema) { return func(s *schema) { s.Pattern = p } }

// requiredOf are the members that a type of requests has to have. Of other types
// all that is not left out when it is zero.
var requiredOf = map[string][]string{
	"AccessRequest":           {},
	"CouponPriceRequest":      {"couponCode", "couponNumber"},
	"CustomerData":            {"name"},
	"ExternalCustomerRequest": {"externalId", "credentialType", "customerNumber"},
	"ExternalIdentityRequest": {"externalId", "credentialType"},
	"PhoneNumber":             {"phoneNumber"},
	"FulfillmentRequest":      {"orderId"},
	"OrderLine":               {"productSpecType"},
	"OrderPerson":             {"postalCode"},
	"OrderRequest":            {"payer", "orderLines"},
	"OrderStatusRequest":      {},
	"OrderUserRequest":        {"credential"},
	"ProductsRequest":         {},
	"StartInfo":               {},
}

// Faults of more than one endpoint.
var (
	noCustomer   = Error{Status: 404, Type: "NotFound", Message: "there is no such customer"}
	untied       = Error{Status: 404, Type: "NotFound", Message: "the user is tied to no customer"}
	noProduct    = Error{Status: 404, Type: "NotFound", Message: "there is no such product"}
	badNumber    = Error{Status: 400, Type: "InvalidRequest", Message: "customerNumber has to be a whole number above zero"}
	badBody      = Error{Status: 400, Type: "InvalidRequest", Message: "the body is no JSON object"}
	badShop      = Error{Status: 400, Type: "InvalidRequest", Message: "shop has to be true or false"}
	badMarketing = Error{Status: 400, Type: "InvalidRequest", Message: "marketing has to be true or false"}
)

var getProfile = operation{
	id: "getProfile", tag: "Users", summary: "Who the user is",
	text: "Ask after login, with the user's token, and keep the uniqueId: it never changes, while addresses and numbers do.",
	answer: Profile{
		UserID: 1042, UniqueID: "5f0c6d4a9be7412c8d3e7a61f2b09c58", CustomerNumber: 204117,
		Credential:      &OldNaming{"kari.nordmann@example.com", "A"},
		LoginCredential: &Credential{"kari.nordmann@example.com", "email", 1},
		UserCredentials: []Credential{{"kari.nordmann@example.com", "email", 1}, {"+4791234567", "phone", 1}},
		Name:            Name{FirstName: "Kari", LastName: "Nordmann"},
		PhoneNumbers:    []PhoneNumber{{"+4791234567", "mobile"}},
		Emails:          []string{"kari.nordmann@example.com"},
		ExternalSources: []ExternalSource{},
	},
}

var kari = CustomerData{
	Name:         Name{FirstName: "Kari", LastName: "Nordmann"},
	PhoneNumbers: []PhoneNumber{{"+4791234567", "personal"}},
	Emails:       []string{"kari.nordmann@example.com"},
	Address:      &Address{Street: "Strandgata 14", PostalCode: "9008", PostalPlace: "Tromsø", CountryCode: "NO"},
}

var kariInfo = CustomerInfo{CustomerNumber: 204117, CustomerData: kari, AttachedUsers: []AttachedUser{{"5f0c6d4a9be7412c8d3e7a61f2b09c58"}}}

var getCustomerInfo = operation{
	id: "getCustomerInfo", tag: "Customers", summary: "What the publisher knows of the user",
	answer: kariInfo, faults: []Error{untied},
}

var replaceCustomerInfo = operation{
	id: "replaceCustomerInfo", tag: "Customers", summary: "Replace what the publisher knows of the user",
	text:    "All but the address is replaced, so send what is to stay, too. The name needs a lastName or a companyName.",
	request: kari, answer: Success{Success: true},
	faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "name needs a lastName or a companyName"}, untied},
}

var getCustomerInfoByNumber = operation{
	id: "getCustomerInfoByNumber", tag: "Customers", summary: "What the publisher knows of a customer",
	answer: kariInfo, faults: []Error{badNumber, noCustomer},
}

var anAccess = AccessResponse{Access: true, Accesses: []AccessRight{{Access: true, AccessLevel: "A", AccessType: "B", StartTime: 1767222000000, EndTime: 1798758000000}}}

var checkAccess = operation{
	id: "checkAccess", tag: "Access", summary: "May the user read this?",
	text:    "All that is given has to match. An answer without rights has a single one of accessType D.",
	request: AccessRequest{Product: "DIGITAL", ArticleID: "torskekvoten"},
	answer:  anAccess, faults: []Error{badBody},
}

var checkClientAccess = operation{
	id: "checkClientAccess", tag: "Access", summary: "May this reader read this?",
	text:    "Who reads is said by ip, uniqueId or credential; of these at least one is required, and all that are given have to be of one reader. A public client may only ask for the address that it calls from.",
	request: AccessRequest{Product: "DIGITAL", Credential: "kari.nordmann@example.com"}, anyOf: []string{"ip", "uniqueId", "credential"},
	answer: anAccess, faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "one of ip, uniqueId and credential is required"}},
}

var listCustomerProducts = operation{
	id: "listCustomerProducts", tag: "Access", summary: "The products that the user may read",
	answer: CustomerProducts{Products: []CustomerProduct{{PartnerID: "mediaconnect-test", ProductID: "DIGITAL", AccessType: "B", StartTime: 1767222000000, EndTime: 1798758000000}}},
}

var someSubscriptions = Subscriptions{Subscriptions: []Subscription{{
	Product: "DIGITAL", Name: "Papir og digitalt, alle dager", StartTime: 1767222000000, EndTime: 1798758000000, Paid: true,
	PriceDetails: []PriceDetail{{"389.5", "NOK"}}, Sharable: true, ShareType: "USERS", DistributionLevel: "HOME",
}}}

var listSubscriptions = operation{
	id: "listSubscriptions", tag: "Subscriptions", summary: "What the user subscribes to",
	text:   "A user who is tied to no customer has none.",
	answer: someSubscriptions,
}

var listCustomerSubscriptions = operation{
	id: "listCustomerSubscriptions", tag: "Subscriptions", summary: "What a customer subscribes to",
	answer: someSubscriptions, faults: []Error{badNumber, noCustomer},
}

var someProducts = Products{Products: []Product{{
	CompanyCode: "FJORD", Product: "DIGITAL", Description: "Fjordposten Digital", ProductType: "subscription",
	StartTime: 1767222000000, EndTime: 1798758000000, WebOfferPrice: "199", RetailPrice: "249.5", Currency: "NOK", VATPercent: json.Number("0"), Digital: true,
}}}

var listProducts = operation{
	id: "listProducts", tag: "Products", summary: "What the publisher sells",
	query:  []queryParam{codeParam, shopParam},
	answer: someProducts, cacheable: true, faults: []Error{badShop, noProduct},
}

var listChangedProducts = operation{
	id: "listChangedProducts", tag: "Products", summary: "What has changed since a time",
	text:    "For those who keep a copy of the catalogue.",
	query:   []queryParam{shopParam},
	request: ProductsRequest{ChangedAfter: 1767222000000, OnlyActive: true},
	answer:  someProducts, faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "changedAfter has to be milliseconds since 1970"}},
}

var listSubscriptionProducts = operation{
	id: "listSubscriptionProducts", tag: "Products", summary: "The products that can be subscribed to",
	query:  []queryParam{codeParam, shopParam},
	answer: someProducts, cacheable: true, faults: []Error{badShop, noProduct},
}

var introduction = Coupon{
	CouponCode: "INTRO", CouponNumber: 60, Product: "DIGITAL", StartTime: 1767222000000, EndTime: 1798758000000,
	Description: "Tre måneder for prisen av én", CouponPrice: "199", Currency: "NOK", PeriodLength: 3, PeriodType: "months",
	ExtraProducts: []ExtraProduct{{ProductID: "KRYSSORD", Description: "Kryssord"}},
	Renewal:       &Renewal{RenewalPrice: "249.5", PeriodLength: 1, PeriodType: "months"},
}

var listCoupons = operation{
	id: "listCoupons", tag: "Coupons", summary: "The ways to buy a product",
	query: []queryParam{{"marketing", "Also say in which campaign each coupon is sold.", &schema{Type: "boolean"}, true}},
	answer: Coupons{Coupons: []Coupon{func(c Coupon) Coupon {
		c.Marketing = &Marketing{Project: "Høst", Market: "Privat", Activity: "Nettside", SalesMethod: "WEB"}
		return c
	}(introduction)}},
	cacheable: true, faults: []Error{badMarketing, noProduct},
}

var priceCoupon = operation{
	id: "priceCoupon", tag: "Coupons", summary: "What a coupon costs, with tax and delivery",
	request: CouponPriceRequest{CouponCode: "INTRO", CouponNumber: 60, CustomerNumber: 204117, CountryCode: "NO", PostalCode: "9008"},
	answer: CouponPrice{
		CompanyCode: "FJORD", Product: "DIGITAL", Price: "199", VATAmount: "39.8", VATPercent: "25", VATInclude: true,
		Currency: "NOK", DistAmount: "49", DistAmountVAT: "9.8", CustomerNumber: 204117,
	},
	faults: []Error{
		{Status: 400, Type: "InvalidRequest", Message: "couponCode and couponNumber are required"},
		{Status: 404, Type: "NotFound", Message: "there is no such coupon now, or no such customer"},
	},
}

var listVoucherCoupons = operation{
	id: "listVoucherCoupons", tag: "Coupons", summary: "What a voucher can be used for",
	answer: Coupons{Coupons: []Coupon{introduction}},
	faults: []Error{{Status: 400, Type: "InvalidVoucher", Message: "the voucher is unknown, used up or not good at this time"}},
}

var anIdentity = ExternalIdentityRequest{ExternalID: "KL20481", CredentialType: "D"}

var openedIdentity = ExternalIdentity{
	Credential: "AID:KL20481", ExternalID: "KL20481", CredentialType: "D", CustomerNumber: 204117,
	UniqueID: "5f0c6d4a9be7412c8d3e7a61f2b09c58", Enabled: true, NewUser: true, ExtidCode: "qJ3v0kZrT8yWm1xN5bD7cA",
}

// withoutAccounts reports whether there are no external identities.
func withoutAccounts(c Config) bool { return c.Accounts == nil }

var openExternal = operation{
	id: "openExternalIdentity", tag: "External identities", summary: "The user of an external identity",
	text:    "The first call makes the user. The extidCode is exchanged for a token of hers at the token endpoint.",
	request: anIdentity, answer: openedIdentity, absent: withoutAccounts,
	faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "bad credentialType: want D, E, H, I, L, M, X or Z"}},
}

var openExternalCustomer = operation{
	id: "openExternalCustomer", tag: "External identities", summary: "Tie the user of an external identity to a customer",
	request: ExternalCustomerRequest{ExternalIdentityRequest: anIdentity, CustomerNumber: 204117}, answer: openedIdentity, absent: withoutAccounts,
	faults: []Error{
		{Status: 400, Type: "InvalidRequest", Message: "bad customerNumber: want a positive number"},
		{Status: 404, Type: "NotFound", Message: "there is no customer with this customerNumber"},
		{Status: 409, Type: "Conflict", Message: "the customer is tied to another user"},
		{Status: 409, Type: "Conflict", Message: "the user is tied to another customer"},
		{Status: 409, Type: "Conflict", Message: "the user is blocked"},
	},
}

// withoutOrders reports whether orders can not be placed.
func withoutOrders(c Config) bool { return c.Orders == nil }

// Faults of orders.
var (
	noOrder         = Error{Status: 404, Type: "NotFound", Message: "there is no such order"}
	repeatedOrder   = Error{Status: 409, Type: "Conflict", Message: "externalOrderId or mcPayRef was used for another order"}
	closedOrder     = Error{Status: 409, Type: "Conflict", Message: "the order is closed"}
	badOrderID      = Error{Status: 400, Type: "InvalidRequest", Message: "orderId has to be a whole number above zero"}
	takenCredential = Error{Status: 409, Type: "Conflict", Message: "the credential stands unproven in somebody's account"}
	blockedUser     = Error{Status: 409, Type: "Conflict", Message: "the user is blocked"}
	badOrder        = Error{Status: 400, Type: "InvalidOrder", Message: "orderLines[0].productSpecCode is no coupon that is sold"}
)

var anOrder = OrderRequest{
	ExternalOrderID: "web-2026-004411", PaymentMethod: "creditcardPayex", OrderAmount: "199", Currency: "NOK",
	Payer: OrderPerson{
		FirstName: "Kari", LastName: "Nordmann", Street: "Strandgata", StreetNumber: "14", PostalCode: "9008", PostalPlace: "Tromsø",
		CountryCode: "NO", Emails: []string{"kari.nordmann@example.com"}, PhoneNumbers: []string{"+4791234567"},
	},
	OrderLines: []OrderLine{{ProductSpecType: "coupon", ProductSpecCode: "INTRO", ProductSpecNo: 60, AllowAccessProduct: "DIGITAL", AllowAccessSeconds: 86400}},
}

const orderText = "Then send the browser to the fulfillment URL with the orderId. Prices are the catalogue's: an amount that disagrees is refused. " +
	"The same externalOrderId with the same order answers the same orderId."

var placeUserOrder = operation{
	id: "placeOrder", tag: "Orders", summary: "Order something as the user", text: orderText,
	request: anOrder, alsoXML: true, answer: PlacedOrder{OrderID: 4503599627370}, absent: withoutOrders,
	faults: []Error{badOrder, repeatedOrder},
}

var placeClientOrder = operation{
	id: "placeClientOrder", tag: "Orders", summary: "Order something for somebody", text: orderText,
	request: anOrder, alsoXML: true, answer: PlacedOrder{OrderID: 4503599627370}, absent: withoutOrders,
	faults: []Error{badOrder, repeatedOrder},
}

var someOrders = Orders{Orders: []OrderStatus{{
	OrderID: 4503599627370, ExternalOrderID: "web-2026-004411", OrderTime: 1767222000000, OrderStatus: "handedOver", OrderAmount: "199",
	Currency: "NOK", PaymentMethod: "creditcardPayex", CustomerNumber: 204117,
}}}

var oneOrder = Orders{Orders: []OrderStatus{func(o OrderStatus) OrderStatus {
	o.OrderLines = []OrderedLine{{ProductSpecType: "coupon", ProductSpecCode: "INTRO", ProductSpecNo: 60, Product: "DIGITAL", Description: "Tre måneder for prisen av én", Quantity: 1, UnitPrice: "199"}}
	return o
}(someOrders.Orders[0])}}

var listOrderStatuses = operation{
	id: "listOrderStatuses", tag: "Orders", summary: "The user's orders", answer: someOrders, absent: withoutOrders,
}

var findOrder = operation{
	id: "findOrder", tag: "Orders", summary: "One order of the user",
	request: OrderStatusRequest{ExternalOrderID: "web-2026-004411"}, alsoXML: true, anyOf: []string{"orderId", "externalOrderId"},
	answer: oneOrder, absent: withoutOrders,
	faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "orderId or externalOrderId is required"}, noOrder},
}

var listOrderHistory = operation{
	id: "listOrderHistory", tag: "Orders", summary: "What the user has bought", answer: oneOrder, absent: withoutOrders,
}

var getOrderStatus = operation{
	id: "getOrderStatus", tag: "Orders", summary: "An order of the calling client", answer: oneOrder, absent: withoutOrders,
	faults: []Error{badOrderID, noOrder},
}

var fulfillOrder = operation{
	id: "fulfillOrder", tag: "Orders", summary: "Bring an order to its end without its payer",
	text:    "As far as that can be done: an order that its payer has yet to pay for is an ERROR, and stays as it is.",
	request: FulfillmentRequest{OrderID: 4503599627370, CallbackURL: "https://news.example/orders/done"}, alsoXML: true,
	answer: Fulfillment{FulfillmentStatus: "OK", OrderID: 4503599627370}, absent: withoutOrders,
	faults: []Error{badOrderID, {Status: 400, Type: "InvalidRequest", Message: "callbackUrl is none of the client's own addresses"}, noOrder},
}

var assignOrder = operation{
	id: "assignOrder", tag: "Orders", summary: "Make an order somebody's, and send her a link",
	text: "The order becomes that of the user who has the credential; on first sight a user is made, into whose account only a proof of the " +
		"credential leads. Opening the link changes nothing until she confirms. Another user's order is not found.",
	request: OrderUserRequest{
		Credential: "kari.nordmann@example.com", IsSendMessage: new(true), ReturnURL: "https://news.example/welcome", ErrorURL: "https://news.example/oops", LinkLifetime: new(7),
	}, alsoXML: true,
	answer: OrderUser{OrderID: 4503599627370, UniqueUserID: "5f0c6d4a9be7412c8d3e7a61f2b09c58", IsNewUser: true},
	absent: func(c Config) bool { return c.Orders == nil || c.Accounts == nil },
	faults: []Error{{Status: 400, Type: "InvalidRequest", Message: "credential is missing"}, noOrder, takenCredential, blockedUser},
}
