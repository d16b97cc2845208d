// Package payextest simulates Swedbank Pay's payment orders for tests: it checks every
// request strictly, keeps count of the money, and misbehaves when it is told to.
//
// It was written from these pages of developer.swedbankpay.com, below checkout-v3:
// get-started/fundamental-principles (headers, expansion), get-started/payment-request
// (v3.1), get-started/validate-status, get-started/post-purchase (v3.1),
// features/payment-operations/abort and callback (v3.1), features/optional/unscheduled
// and order-items, features/customize-ui/instrument-mode,
// technical-reference/operations, payee-reference, problems, status-models and
// resource-sub-models. How a payeeReference that was used is refused is not written
// there; it is as Swedbank Pay's own plugins for shops expect it.
package payextest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The one payee that the simulator knows.
const (
	Token     = "access-token-of-the-payee"
	PayeeID   = "5cabf558-5283-482f-b252-4d58e06f6f3b"
	PayeeName = "Bladet"
)

// The things that can be done, by which faults are named.
const (
	Create   = "create"
	Charge   = "charge" // an unscheduled purchase
	Read     = "read"
	Abort    = "abort"
	Capture  = "capture"
	Cancel   = "cancel"
	Reversal = "reversal"
)

// Server is the simulator.
type Server struct {
	URL string

	tb testing.TB

	mu         sync.Mutex
	orders     []*Order
	references map[string]bool
	tokens     map[string]string // to whether they are active or deleted
	faults     map[string][]Fault
	calls      map[string]int
	declines   []string
	duplicate  int
}

// Order is a payment order.
type Order struct {
	ID          string // its path
	Reference   string // orderReference
	Payee       string // payeeReference
	Status      string
	Operation   string
	Currency    string
	Amount      int64
	VATAmount   int64
	Instrument  string // that it is restricted to
	Recurring   bool
	Language    string
	Description string
	URLs        URLs
	Payer       map[string]any
	Away        bool // the payer is in another app: no abort
	Pending     bool // a reversal is on its way
	Paid        int64
	Sale        bool
	Token       string
	Reason      string
	Problem     string
	Captured    int64
	Reversed    int64
	Released    int64
	Moves       []Move
	secret      string // of its addresses
	failures    int
	pending     Move
}

// Move is a financial transaction.
type Move struct {
	Type           string
	Amount         int64
	VATAmount      int64
	PayeeReference string
}

// URLs are those of a payment order.
type URLs struct {
	HostURLs          []string `json:"hostUrls"`
	PaymentURL        string   `json:"paymentUrl"`
	CompleteURL       string   `json:"completeUrl"`
	CancelURL         string   `json:"cancelUrl"`
	CallbackURL       string   `json:"callbackUrl"`
	LogoURL           string   `json:"logoUrl"`
	TermsOfServiceURL string   `json:"termsOfServiceUrl"`
}

// Fault is how one call goes wrong. do does what was asked for, and returns what would
// be answered.
type Fault func(w http.ResponseWriter, do func() *httptest.ResponseRecorder)

// New starts the simulator on a loopback address. What a request does wrong is an error
// of the test.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := NewInMemory(tb)
	server := httptest.NewServer(s)
	s.URL = server.URL
	tb.Cleanup(server.Close)
	return s
}

// NewInMemory is New without a socket, for testing/synctest: it is reached through
// [Server.Transport].
func NewInMemory(tb testing.TB) *Server {
	return &Server{
		URL: "http://127.0.0.1:1", tb: tb,
		references: map[string]bool{}, tokens: map[string]string{}, faults: map[string][]Fault{}, calls: map[string]int{},
	}
}

// Fail makes the next calls that do what is named go wrong, one fault each; nil is a
// call that goes well.
func (s *Server) Fail(what string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[what] = append(s.faults[what], faults...)
}

// Decline makes the acquirer refuse the next captures, cancellations, reversals or
// charges with these problems.
func (s *Server) Decline(problems ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declines = append(s.declines, problems...)
}

// DuplicateStatus is the status with which a used payeeReference is refused; 400
// unless it is set.
func (s *Server) DuplicateStatus(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.duplicate = status
}

// Delete makes an unscheduled token inactive.
func (s *Server) Delete(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = "deleted"
}

// Calls is how often something was asked for.
func (s *Server) Calls(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

// Orders are copies of the payment orders, in the order of their creation.
func (s *Server) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Order
	for _, o := range s.orders {
		c := *o
		c.Moves = slices.Clone(o.Moves)
		list = append(list, c)
	}
	return list
}

// Order returns a copy of the payment order of that ID.
func (s *Server) Order(id string) Order {
	for _, o := range s.Orders() {
		if o.ID == id {
			return o
		}
	}
	return Order{}
}

// Taken is all the money that was taken and not given back.
func (s *Server) Taken() int64 {
	var n int64
	for _, o := range s.Orders() {
		n += o.Captured - o.Reversed
	}
	return n
}

// Change changes a payment order behind the back of the one who asks.
func (s *Server) Change(id string, f func(*Order)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if o.ID == id {
			f(o)
		}
	}
}

// Address is where the payer of a payment order goes.
func (s *Server) Address(id string) string {
	o := s.Order(id)
	return s.URL + "/checkout/" + o.secret
}

// Pay is the payer who pays at an address, and returns where her browser goes: the
// completeUrl. It fails when the payment order can not be paid any more.
func (s *Server) Pay(address string) (string, error) {
	return s.at(address, func(o *Order) (string, error) {
		o.Status, o.Paid = "Paid", o.Amount
		if o.Instrument == "Swish" { // one phase
			o.Sale, o.Captured = true, o.Amount
		}
		if o.Recurring {
			o.Token = id()
			s.tokens[o.Token] = "active"
		}
		return o.URLs.CompleteURL, nil
	})
}

// Leave is the payer who cancels on the page of Redirect.
func (s *Server) Leave(address string) (string, error) {
	return s.at(address, func(o *Order) (string, error) {
		o.Status, o.Reason = "Aborted", "Payment aborted by payer"
		return o.URLs.CancelURL, nil
	})
}

// Try is the payer whose attempt fails: she may try again.
func (s *Server) Try(address string) error {
	_, err := s.at(address, func(*Order) (string, error) { return "", nil })
	return err
}

func (s *Server) at(address string, f func(*Order) (string, error)) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	for _, o := range s.orders {
		if u.Path != "/checkout/"+o.secret && u.Path != "/checkout/client/"+o.secret {
			continue
		}
		if o.Status != "Initialized" {
			return "", fmt.Errorf("the payment order is %s", o.Status)
		}
		return f(o)
	}
	return "", errors.New("no such page")
}

// CallbackBody is the body of a callback about the payment order.
func (s *Server) CallbackBody(id string) []byte {
	o := s.Order(id)
	return fmt.Appendf(nil, `{"orderReference":%q,"paymentOrder":{"id":%q,"instrument":"paymentorders","number":12345678}}`, o.Reference, o.ID)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	what := s.what(r, body)
	s.mu.Lock()
	s.calls[what]++
	var fault Fault
	if list := s.faults[what]; len(list) > 0 {
		fault, s.faults[what] = list[0], list[1:]
	}
	s.mu.Unlock()
	do := func() *httptest.ResponseRecorder {
		s.mu.Lock()
		defer s.mu.Unlock()
		rec := httptest.NewRecorder()
		s.do(rec, r, body, what)
		return rec
	}
	if fault != nil {
		fault(w, do)
		return
	}
	Answer(w, do())
}

// Answer writes what was recorded.
func Answer(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (s *Server) what(r *http.Request, body []byte) string {
	switch {
	case r.Method == http.MethodGet:
		return Read
	case r.Method == http.MethodPatch:
		return Abort
	case strings.HasSuffix(r.URL.Path, "/captures"):
		return Capture
	case strings.HasSuffix(r.URL.Path, "/cancellations"):
		return Cancel
	case strings.HasSuffix(r.URL.Path, "/reversals"):
		return Reversal
	case bytes.Contains(body, []byte(`"UnscheduledPurchase"`)):
		return Charge
	}
	return Create
}

func (s *Server) do(w http.ResponseWriter, r *http.Request, body []byte, what string) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+Token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Header.Get("User-Agent") == "" || strings.HasPrefix(r.Header.Get("User-Agent"), "Go-http-client") {
		s.wrong(w, "User-Agent", "must identify the system")
		return
	}
	if !strings.Contains(r.Header.Get("Accept"), "application/json;version=3.1") {
		s.wrong(w, "Accept", "application/json;version=3.1")
		return
	}
	if r.Method == http.MethodGet {
		if len(body) > 0 {
			s.wrong(w, "body", "a GET has none")
			return
		}
	} else if got := r.Header.Get("Content-Type"); got != "application/json;version=3.1" {
		s.wrong(w, "Content-Type", got)
		return
	}
	if r.URL.Path == "/psp/paymentorders" && r.Method == http.MethodPost {
		s.create(w, r, body)
		return
	}
	path, last := r.URL.Path, ""
	for _, l := range []string{"captures", "cancellations", "reversals"} {
		if cut, ok := strings.CutSuffix(path, "/"+l); ok {
			path, last = cut, l
		}
	}
	i := slices.IndexFunc(s.orders, func(o *Order) bool { return o.ID == path })
	if i < 0 {
		s.problem(w, http.StatusNotFound, "notfound", "", "")
		return
	}
	o := s.orders[i]
	switch {
	case what == Read && last == "":
		s.show(w, http.StatusOK, o, r.URL.Query().Get("$expand"))
	case what == Abort:
		s.abort(w, r, o, body)
	case last != "" && r.Method == http.MethodPost:
		s.move(w, r, o, body, what)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// wrong is a request that is not as the documents say: the test fails.
func (s *Server) wrong(w http.ResponseWriter, name, description string) {
	s.tb.Errorf("payextest: a bad request: %s: %s", name, description)
	s.problem(w, http.StatusBadRequest, "inputerror", name, description)
}

func (s *Server) problem(w http.ResponseWriter, status int, kind, name, description string) {
	body := map[string]any{
		"type": "https://api.payex.com/psp/errordetail/" + kind, "title": "Error", "detail": "Look at the problems",
		"instance": "https://api.payex.com/psp/probleminstance/00-1", "status": status,
	}
	if name != "" {
		body["problems"] = []any{map[string]string{"name": name, "description": description}}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

var (
	referenceForm = regexp.MustCompile(`^[A-Za-z0-9]{1,30}$`)
	classForm     = regexp.MustCompile(`^[\w-]+$`)
	languages     = strings.Fields("da-DK de-DE et-EE en-US es-ES fi-FI fr-FR lt-LT lv-LV nb-NO pl-PL ru-RU sv-SE")
)

type createBody struct {
	PaymentOrder struct {
		Operation                string
		Currency                 string
		Amount                   int64
		VATAmount                *int64 `json:"vatAmount"`
		Description              string
		UserAgent                string
		Language                 string
		Instrument               string
		GenerateUnscheduledToken bool
		UnscheduledToken         string
		URLs                     *URLs `json:"urls"`
		PayeeInfo                struct {
			PayeeID        string `json:"payeeId"`
			PayeeReference string
			PayeeName      string
			OrderReference string
		}
		Payer *struct {
			DigitalProducts bool
			PayerReference  string
			Email           string
			MSISDN          string `json:"msisdn"`
		}
		OrderItems []struct {
			Reference, Name, Type, Class, QuantityUnit string
			Quantity                                   int
			UnitPrice, Amount, VATAmount               int64
			VATPercent                                 int
		}
	} `json:"paymentorder"`
}

// names are all members of requests, as the documents write them.
var names = strings.Fields(`paymentorder operation currency amount vatAmount description userAgent language instrument
	generateUnscheduledToken unscheduledToken urls hostUrls paymentUrl completeUrl cancelUrl callbackUrl logoUrl termsOfServiceUrl
	payeeInfo payeeId payeeReference payeeName orderReference payer digitalProducts payerReference email msisdn
	orderItems reference name type class quantity quantityUnit unitPrice vatPercent abortReason transaction`)

// named says whether all members of a value are written as in the documents.
func named(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if !slices.Contains(names, name) {
				return fmt.Errorf("unknown member %q", name)
			}
			if err := named(value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := named(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// strict reads a body that has no more than the documents say.
func strict(body []byte, into any) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	if err := named(v); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one value")
	}
	return nil
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, body []byte) {
	var in createBody
	if err := strict(body, &in); err != nil {
		s.wrong(w, "body", err.Error())
		return
	}
	p := in.PaymentOrder
	unscheduled := p.Operation == "UnscheduledPurchase"
	if fault := s.fault(&in, unscheduled); fault != "" {
		s.wrong(w, "PaymentOrder", fault)
		return
	}
	if s.used(w, p.PayeeInfo.PayeeReference, "PaymentOrder.PayeeInfo.PayeeReference") {
		return
	}
	o := &Order{
		ID: "/psp/paymentorders/" + id(), Reference: p.PayeeInfo.OrderReference, Payee: p.PayeeInfo.PayeeReference, Status: "Initialized",
		Operation: p.Operation, Currency: p.Currency, Amount: p.Amount, VATAmount: *p.VATAmount, Instrument: p.Instrument,
		Recurring: p.GenerateUnscheduledToken, Language: p.Language, Description: p.Description, URLs: *p.URLs, secret: rand.Text(),
	}
	if p.Payer != nil {
		o.Payer = map[string]any{"payerReference": p.Payer.PayerReference, "email": p.Payer.Email, "msisdn": p.Payer.MSISDN}
	}
	if unscheduled {
		switch s.tokens[p.UnscheduledToken] {
		case "":
			s.problem(w, http.StatusNotFound, "paymentorders/inputerror", "UnscheduledToken", "The given UnscheduledToken does not exist.")
			return
		case "deleted":
			s.problem(w, http.StatusUnprocessableEntity, "paymentorders/paymenttokeninactive", "UnscheduledToken", "The given UnscheduledToken is inactive.")
			return
		}
		o.Status, o.Paid = "Paid", o.Amount
		if kind := s.declined(); kind != "" {
			o.Status, o.Paid, o.Problem = "Failed", 0, kind
			if kind != "silently" {
				s.orders = append(s.orders, o)
				s.problem(w, http.StatusForbidden, "creditcard/"+kind, "ExternalResponse", "REJECTED")
				return
			}
		}
	}
	s.orders = append(s.orders, o)
	s.show(w, http.StatusCreated, o, r.URL.Query().Get("$expand"))
}

// fault says what is wrong with a payment order that is asked for.
func (s *Server) fault(in *createBody, unscheduled bool) string {
	p := in.PaymentOrder
	switch {
	case p.Operation != "Purchase" && !unscheduled:
		return "operation " + p.Operation
	case unscheduled == (p.UnscheduledToken == ""):
		return "unscheduledToken"
	case unscheduled && p.GenerateUnscheduledToken:
		return "generateUnscheduledToken"
	case len(p.Currency) != 3:
		return "currency " + p.Currency
	case p.Amount <= 0 || p.VATAmount == nil || *p.VATAmount < 0 || *p.VATAmount > p.Amount:
		return "amount"
	case p.Description == "" || len([]rune(p.Description)) > 40:
		return "description " + p.Description
	case p.UserAgent == "":
		return "userAgent"
	case !slices.Contains(languages, p.Language):
		return "language " + p.Language
	case p.Instrument != "" && p.Instrument != "CreditCard" && p.Instrument != "Swish":
		return "instrument " + p.Instrument
	case p.PayeeInfo.PayeeID != PayeeID || p.PayeeInfo.PayeeName == "":
		return "payeeInfo"
	case !referenceForm.MatchString(p.PayeeInfo.PayeeReference):
		return "payeeReference " + p.PayeeInfo.PayeeReference
	case p.PayeeInfo.OrderReference == "" || len(p.PayeeInfo.OrderReference) > 50:
		return "orderReference"
	case p.URLs == nil:
		return "urls"
	case p.Payer != nil && p.Payer.MSISDN != "" && !regexp.MustCompile(`^\+\d{8,15}$`).MatchString(p.Payer.MSISDN):
		return "msisdn"
	}
	addresses := []string{p.URLs.CallbackURL, p.URLs.PaymentURL}
	if !unscheduled {
		if len(p.URLs.HostURLs) == 0 || p.URLs.CompleteURL == "" || p.URLs.CancelURL == "" {
			return "hostUrls, completeUrl and cancelUrl"
		}
		addresses = append(addresses, p.URLs.CompleteURL, p.URLs.CancelURL)
		addresses = append(addresses, p.URLs.HostURLs...)
	}
	for _, a := range addresses {
		if u, err := url.Parse(a); a != "" && (err != nil || u.Host == "") {
			return "urls " + a
		}
	}
	for _, a := range []string{p.URLs.LogoURL, p.URLs.TermsOfServiceURL} {
		if a != "" && !strings.HasPrefix(a, "https://") {
			return "https is required of " + a
		}
	}
	var sum int64
	for _, i := range p.OrderItems {
		if i.Reference == "" || i.Name == "" || i.Type != "PRODUCT" || !classForm.MatchString(i.Class) || i.Quantity < 1 || i.QuantityUnit == "" || i.UnitPrice*int64(i.Quantity) != i.Amount {
			return fmt.Sprintf("orderItems %+v", i)
		}
		sum += i.Amount
	}
	if len(p.OrderItems) > 0 && sum != p.Amount {
		return "the sum of the orderItems"
	}
	return ""
}

// used notes a payeeReference, and refuses one that was used before.
func (s *Server) used(w http.ResponseWriter, reference, name string) bool {
	if !s.references[reference] {
		s.references[reference] = true
		return false
	}
	status := s.duplicate
	if status == 0 {
		status = http.StatusBadRequest
	}
	s.problem(w, status, "paymentorders/inputerror", name, "The given PayeeReference has already been used for another payment (12345678).")
	return true
}

func (s *Server) declined() string {
	if len(s.declines) == 0 {
		return ""
	}
	kind := s.declines[0]
	s.declines = s.declines[1:]
	return kind
}

func (s *Server) abort(w http.ResponseWriter, r *http.Request, o *Order, body []byte) {
	var in struct {
		PaymentOrder struct{ Operation, AbortReason string } `json:"paymentorder"`
	}
	if err := strict(body, &in); err != nil || in.PaymentOrder.Operation != "Abort" ||
		!slices.Contains([]string{"CancelledByConsumer", "CancelledByCustomer"}, in.PaymentOrder.AbortReason) {
		s.wrong(w, "PaymentOrder", "not an abort")
		return
	}
	if o.Status != "Initialized" || o.Away {
		s.problem(w, http.StatusForbidden, "paymentorders/operationnotallowed", "Operation", "Abort is not allowed.")
		return
	}
	o.Status, o.Reason = "Aborted", in.PaymentOrder.AbortReason
	s.show(w, http.StatusOK, o, r.URL.Query().Get("$expand"))
}

func (s *Server) move(w http.ResponseWriter, r *http.Request, o *Order, body []byte, what string) {
	var in struct {
		Transaction struct {
			Description    string
			Amount         *int64
			VATAmount      *int64
			PayeeReference string
		}
	}
	if err := strict(body, &in); err != nil {
		s.wrong(w, "body", err.Error())
		return
	}
	t := in.Transaction
	switch {
	case t.Description == "" || len([]rune(t.Description)) > 40:
		s.wrong(w, "Transaction.Description", t.Description)
		return
	case !referenceForm.MatchString(t.PayeeReference):
		s.wrong(w, "Transaction.PayeeReference", t.PayeeReference)
		return
	case what == Cancel && (t.Amount != nil || t.VATAmount != nil):
		s.wrong(w, "Transaction.Amount", "a cancellation has none")
		return
	case what != Cancel && (t.Amount == nil || t.VATAmount == nil || *t.Amount <= 0 || *t.VATAmount < 0 || *t.VATAmount > *t.Amount):
		s.wrong(w, "Transaction.Amount", "missing or bad")
		return
	}
	if s.used(w, t.PayeeReference, "Transaction.PayeeReference") {
		return
	}
	left := o.Paid - o.Captured - o.Released
	if what == Reversal {
		left = o.Captured - o.Reversed
	}
	kind := s.declined()
	switch {
	case o.failures >= 5:
		kind = "paymentorders/locked"
	case kind != "":
		kind = "creditcard/" + kind
	case o.Status != "Paid" || o.Pending || left <= 0 || t.Amount != nil && *t.Amount > left:
		kind = "paymentorders/operationnotallowed"
	}
	if kind != "" {
		o.failures++
		s.problem(w, http.StatusForbidden, kind, "ExternalResponse", "REJECTED")
		return
	}
	o.failures = 0
	status := http.StatusOK
	m := Move{PayeeReference: t.PayeeReference}
	switch what {
	case Capture:
		m.Type, m.Amount, m.VATAmount = "Capture", *t.Amount, *t.VATAmount
		o.Captured += m.Amount
	case Cancel:
		m.Type, m.Amount = "Cancellation", left
		o.Released += left
		if o.Captured == 0 {
			o.Status = "Cancelled"
		}
	case Reversal:
		m.Type, m.Amount, m.VATAmount = "Reversal", *t.Amount, *t.VATAmount
		if o.Instrument == "Swish" && o.Away { // the asynchronous kind
			o.Pending, o.pending, status = true, m, http.StatusAccepted
			break
		}
		if o.Reversed += m.Amount; o.Reversed == o.Captured && o.Captured == o.Paid {
			o.Status = "Reversed"
		}
	}
	if !o.Pending {
		o.Moves = append(o.Moves, m)
	}
	s.show(w, status, o, r.URL.Query().Get("$expand"))
}

// Finish ends a reversal that is on its way.
func (o *Order) Finish() {
	o.Pending, o.Reversed, o.Status = false, o.Captured, "Reversed"
	o.Moves = append(o.Moves, o.pending)
}

func (s *Server) show(w http.ResponseWriter, status int, o *Order, expand string) {
	node := func(name string, content map[string]any) map[string]any {
		n := map[string]any{"id": o.ID + "/" + strings.ToLower(name)}
		if slices.Contains(strings.Split(expand, ","), name) {
			for k, v := range content {
				n[k] = v
			}
		}
		return n
	}
	kind := "Authorization"
	if o.Sale {
		kind = "Sale"
	}
	paid := map[string]any{}
	if o.Paid > 0 {
		paid = map[string]any{
			"number": 40129782830, "instrument": "CreditCard", "payeeReference": o.Payee, "orderReference": o.Reference,
			"transactionType": kind, "amount": o.Paid, "submittedAmount": o.Paid, "feeAmount": 0, "discountAmount": 0,
			"paymentTokenGenerated": false, "details": map[string]any{"cardBrand": "Visa", "maskedPan": "492500******0004"},
		}
		if o.Instrument != "" {
			paid["instrument"] = o.Instrument
		}
		if o.Token != "" {
			paid["tokens"] = []any{
				map[string]any{"type": "recurrence", "token": "another", "name": "492500******0004", "expiryDate": "12/2033"},
				map[string]any{"type": "Unscheduled", "token": o.Token, "name": "492500******0004", "expiryDate": "12/2033"},
			}
		}
	}
	failed := map[string]any{}
	if o.Problem != "" {
		failed["problem"] = map[string]any{"type": "https://api.payex.com/psp/errordetail/creditcard/" + o.Problem, "title": "Operation failed", "status": 403}
	}
	moves := []any{}
	for _, m := range o.Moves {
		moves = append(moves, map[string]any{"id": o.ID + "/financialtransactions/1", "type": m.Type, "number": 123459,
			"amount": m.Amount, "vatAmount": m.VATAmount, "payeeReference": m.PayeeReference})
	}
	order := map[string]any{
		"id": o.ID, "created": time.Now().UTC(), "updated": time.Now().UTC(), "operation": o.Operation, "status": o.Status,
		"currency": o.Currency, "amount": o.Amount, "vatAmount": o.VATAmount, "description": o.Description, "language": o.Language,
		"initiatingSystemUserAgent": "connectid", "availableInstruments": []string{"CreditCard", "Swish"},
		"implementation": "PaymentsOnly", "instrumentMode": o.Instrument != "", "guestMode": o.Payer == nil,
		"orderItems": node("orderItems", nil), "urls": node("urls", nil), "payeeInfo": node("payeeInfo", nil), "payer": node("payer", nil),
		"history": node("history", nil), "cancelled": node("cancelled", nil), "reversed": node("reversed", nil), "metadata": node("metadata", nil),
		"failedAttempts": node("failedAttempts", nil), "postPurchaseFailedAttempts": node("postPurchaseFailedAttempts", nil),
		"paid": node("paid", paid), "failed": node("failed", failed), "aborted": node("aborted", map[string]any{"abortReason": o.Reason}),
		"financialTransactions": node("financialTransactions", map[string]any{"financialTransactionsList": moves}),
	}
	operations := []any{
		operation(http.MethodGet, s.URL+"/checkout/"+o.secret+"?_tc_tid=1", "redirect-checkout"),
		operation(http.MethodGet, s.URL+"/checkout/client/"+o.secret+"?culture="+o.Language+"&_tc_tid=1", "view-checkout"),
	}
	if o.Operation == "UnscheduledPurchase" {
		operations = nil
	}
	if o.Status == "Initialized" {
		operations = append(operations, operation(http.MethodPatch, s.URL+o.ID, "update-order"))
		if !o.Away {
			operations = append(operations, operation(http.MethodPatch, s.URL+o.ID, "abort"), operation(http.MethodPatch, s.URL+o.ID, "abort-paymentattempt"))
		}
	}
	if left := o.Paid - o.Captured - o.Released; o.Status == "Paid" && !o.Pending {
		if !o.Sale {
			order["remainingCaptureAmount"], order["remainingCancellationAmount"] = left, left
			if left > 0 {
				operations = append(operations, operation(http.MethodPost, s.URL+o.ID+"/captures", "capture"),
					operation(http.MethodPost, s.URL+o.ID+"/cancellations", "cancel"))
			}
		}
		if left := o.Captured - o.Reversed; left > 0 {
			order["remainingReversalAmount"] = left
			operations = append(operations, operation(http.MethodPost, s.URL+o.ID+"/reversals", "reversal"))
		}
	}
	name := "paymentOrder"
	if status == http.StatusCreated {
		name = "paymentorder" // the documents write both
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8; version=3.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{name: order, "operations": operations})
}

func operation(method, href, rel string) map[string]string {
	return map[string]string{"method": method, "href": href, "rel": rel, "contentType": "application/json"}
}

// id is a random UUID.
func id() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
