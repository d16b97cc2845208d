package payex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/connectid-kit/connectid/flows/order"
)

// The bodies of the protocol, as far as they are used. Fields of answers that are
// not known are passed over (get-started/fundamental-principles, "Postel's robustness
// principle").

type createRequest struct {
	PaymentOrder newOrder `json:"paymentorder"`
}

// newOrder is a payment order as it is asked for (get-started/payment-request,
// "Payment Order Request v3.1"; features/optional/unscheduled).
type newOrder struct {
	Operation                string    `json:"operation"` // Purchase or UnscheduledPurchase
	Currency                 string    `json:"currency"`
	Amount                   int64     `json:"amount"`
	VATAmount                int64     `json:"vatAmount"`
	Description              string    `json:"description"`
	UserAgent                string    `json:"userAgent"`
	Language                 string    `json:"language"`
	Instrument               string    `json:"instrument,omitempty"`
	GenerateUnscheduledToken bool      `json:"generateUnscheduledToken,omitempty"`
	UnscheduledToken         string    `json:"unscheduledToken,omitempty"`
	URLs                     orderURLs `json:"urls"`
	PayeeInfo                payeeInfo `json:"payeeInfo"`
	Payer                    *payer    `json:"payer,omitempty"`
	OrderItems               []item    `json:"orderItems,omitempty"`
}

type orderURLs struct {
	HostURLs          []string `json:"hostUrls,omitempty"`
	PaymentURL        string   `json:"paymentUrl,omitempty"`
	CompleteURL       string   `json:"completeUrl,omitempty"`
	CancelURL         string   `json:"cancelUrl,omitempty"`
	CallbackURL       string   `json:"callbackUrl,omitempty"`
	LogoURL           string   `json:"logoUrl,omitempty"`
	TermsOfServiceURL string   `json:"termsOfServiceUrl,omitempty"`
}

type payeeInfo struct {
	PayeeID        string `json:"payeeId"`
	PayeeReference string `json:"payeeReference"`
	PayeeName      string `json:"payeeName"`
	OrderReference string `json:"orderReference"`
}

type payer struct {
	DigitalProducts bool   `json:"digitalProducts,omitempty"`
	PayerReference  string `json:"payerReference,omitempty"`
	Email           string `json:"email,omitempty"`
	MSISDN          string `json:"msisdn,omitempty"`
}

// item is a line of what is paid for (features/optional/order-items).
type item struct {
	Reference    string `json:"reference"`
	Name         string `json:"name"`
	Type         string `json:"type"`
	Class        string `json:"class"`
	Quantity     int    `json:"quantity"`
	QuantityUnit string `json:"quantityUnit"`
	UnitPrice    int64  `json:"unitPrice"`
	VATPercent   int    `json:"vatPercent"`
	Amount       int64  `json:"amount"`
	VATAmount    int64  `json:"vatAmount"`
}

// abortRequest is the body of the operation abort (features/payment-operations/abort).
type abortRequest struct {
	PaymentOrder struct {
		Operation   string `json:"operation"`
		AbortReason string `json:"abortReason"`
	} `json:"paymentorder"`
}

// moneyRequest is the body of capture, cancel and reversal
// (get-started/post-purchase, v3.1). A cancellation has no amounts.
type moneyRequest struct {
	Transaction struct {
		Description    string `json:"description"`
		Amount         *int64 `json:"amount,omitempty"`
		VATAmount      *int64 `json:"vatAmount,omitempty"`
		PayeeReference string `json:"payeeReference"`
	} `json:"transaction"`
}

// answer is a payment order, and what can be done with it.
type answer struct {
	// The documents write paymentorder as well; names are compared without case.
	PaymentOrder *paymentOrder `json:"paymentOrder"`
	Operations   []operation   `json:"operations"`
}

type paymentOrder struct {
	ID        string `json:"id"`
	Operation string `json:"operation"`
	Status    string `json:"status"`
	Currency  string `json:"currency"`
	Amount    int64  `json:"amount"`
	// What can still be moved; absent when it is nothing, or not known.
	RemainingCaptureAmount  *int64 `json:"remainingCaptureAmount"`
	RemainingReversalAmount *int64 `json:"remainingReversalAmount"`
	// These are expanded when the payment order is read.
	Paid                  paid                  `json:"paid"`
	Failed                failed                `json:"failed"`
	Aborted               aborted               `json:"aborted"`
	FinancialTransactions financialTransactions `json:"financialTransactions"`
}

// paid is how it was paid (technical-reference/resource-sub-models, "Paid").
type paid struct {
	Instrument      string  `json:"instrument"`
	TransactionType string  `json:"transactionType"` // Authorization or Sale
	Amount          int64   `json:"amount"`          // what the payer has paid, with fees and discounts
	OrderReference  string  `json:"orderReference"`
	Tokens          []token `json:"tokens"`
}

type token struct {
	Type  string `json:"type"`
	Token string `json:"token"`
}

type failed struct {
	Problem problem `json:"problem"`
}

type aborted struct {
	AbortReason string `json:"abortReason"`
}

// financialTransactions are what has happened to the money
// (technical-reference/resource-sub-models, "FinancialTransactions"). List is nil when
// it was not expanded.
type financialTransactions struct {
	List []transaction `json:"financialTransactionsList"`
}

type transaction struct {
	Type           string `json:"type"` // Capture, Authorization, Cancellation, Reversal or Sale
	Amount         int64  `json:"amount"`
	PayeeReference string `json:"payeeReference"`
}

// operation is what can be done (technical-reference/operations).
type operation struct {
	Method string `json:"method"`
	Href   string `json:"href"`
	Rel    string `json:"rel"`
}

// operation returns what the answer offers under rel, if anything.
func (a answer) operation(rel string) (operation, bool) {
	i := slices.IndexFunc(a.Operations, func(o operation) bool { return o.Rel == rel })
	if i < 0 {
		return operation{}, false
	}
	return a.Operations[i], true
}

// problem is how Swedbank Pay says no (technical-reference/problems; RFC 7807).
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Problems []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"problems"`

	status int // of HTTP
}

// Error implements error, in a form for logs.
func (e *problem) Error() string {
	s := fmt.Sprintf("answered %d", e.status)
	if r := e.reason(); r != "" {
		s += ": " + r
	}
	for _, d := range e.Problems {
		s += "; " + short(d.Name) + ": " + short(d.Description)
		if len(s) > 500 {
			break
		}
	}
	return s
}

// reason is the problem's type, without what all types have in common.
func (e *problem) reason() string {
	if _, kind, ok := strings.Cut(e.Type, "/psp/errordetail/"); ok {
		return short(kind)
	}
	return short(e.Type)
}

// kind is the last part of the problem's type, "the only field usable for programmatic
// identification of the type of error"; empty when it is not Swedbank Pay's.
func (e *problem) kind() string {
	u, err := url.Parse(e.Type)
	if err != nil || !strings.HasPrefix(u.Path, "/psp/errordetail/") {
		return ""
	}
	return strings.ToLower(u.Path[strings.LastIndexByte(u.Path, '/')+1:])
}

// duplicate says that the payeeReference was used before. The documents say that it is
// refused, not how; Swedbank Pay's own plugins for shops go by a problem of that name
// ("The given PayeeReference has already been used for another payment").
func (e *problem) duplicate() bool {
	if e.status < 400 || e.status > 499 {
		return false
	}
	for _, d := range e.Problems {
		if strings.HasSuffix(strings.ToLower(d.Name), "payeereference") {
			return true
		}
	}
	return false
}

// passing are problems that say "try again", or that the one who runs the kit has to
// mend, so that no payment fails for good by them.
var passing = []string{"badrequest", "3dsecureerror", "systemerror", "forbidden", "configurationerror", "notfound"}

// refused says that Swedbank Pay will not do it, however often it is asked.
func (e *problem) refused() bool {
	switch e.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity:
		return e.kind() != "" && !slices.Contains(passing, e.kind())
	}
	return false
}

// missing says that there is no such resource.
func (e *problem) missing() bool {
	return e.status == http.StatusNotFound && e.kind() == "notfound"
}

// short bounds what comes from outside for logs.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "…"
	}
	return s
}

// maxAnswer is the largest answer that is read.
const maxAnswer = 1 << 20

// version is that of the protocol (get-started/payment-request, "Headers v3.1").
const version = "application/json;version=3.1"

// expand names the resources that come along with a payment order
// (get-started/fundamental-principles, "Expansion").
const expand = "$expand=paid,failed,aborted,financialTransactions"

// call makes one call and reads its answer. What Swedbank Pay refuses is a *problem;
// any other error leaves open whether something has happened.
func (p *Provider) call(ctx context.Context, method string, u *url.URL, in any) (answer, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+p.c.Token)
	r.Header.Set("User-Agent", p.c.UserAgent)
	r.Header.Set("Accept", version+", application/problem+json")
	if in != nil {
		r.Header.Set("Content-Type", version)
	}
	w, err := p.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return answer{}, err
	}
	defer w.Body.Close()
	data, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer+1))
	switch ok := w.StatusCode == http.StatusOK || w.StatusCode == http.StatusCreated || w.StatusCode == http.StatusAccepted; {
	case !ok && (err != nil || !isJSON(w.Header)):
		return answer{}, fmt.Errorf("answered %d", w.StatusCode)
	case err != nil:
		return answer{}, fmt.Errorf("read the answer: %w", err)
	case len(data) > maxAnswer:
		return answer{}, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case !ok:
		return answer{}, parseProblem(w.StatusCode, data)
	case !isJSON(w.Header):
		return answer{}, errors.New("answered something else than JSON")
	}
	return parseAnswer(data)
}

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

func parseProblem(status int, data []byte) error {
	e := &problem{}
	if !utf8.Valid(data) || json.Unmarshal(data, e) != nil {
		return fmt.Errorf("answered %d", status)
	}
	e.status = status
	return e
}

// maxAmount is more than anybody pays, so that sums of a few can not overflow.
const maxAmount = 1 << 50

func parseAnswer(data []byte) (answer, error) {
	var a answer
	if !utf8.Valid(data) {
		return answer{}, errors.New("the answer is not in UTF-8")
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return answer{}, errors.New("the answer is not a payment order") // the error may quote it
	}
	if a.PaymentOrder == nil || a.PaymentOrder.ID == "" {
		return answer{}, errors.New("the answer has no payment order")
	}
	amounts := []int64{a.PaymentOrder.Amount, a.PaymentOrder.Paid.Amount}
	for _, n := range []*int64{a.PaymentOrder.RemainingCaptureAmount, a.PaymentOrder.RemainingReversalAmount} {
		if n != nil {
			amounts = append(amounts, *n)
		}
	}
	for _, t := range a.PaymentOrder.FinancialTransactions.List {
		amounts = append(amounts, t.Amount)
	}
	if slices.ContainsFunc(amounts, func(n int64) bool { return n < 0 || n > maxAmount }) {
		return answer{}, errors.New("the answer has an amount that is none")
	}
	return a, nil
}

// read reads the payment order that ref names.
func (p *Provider) read(ctx context.Context, r order.Ref) (answer, error) {
	if r.Provider == "" {
		// Start was never answered: whatever it made, nobody has its address.
		return answer{}, order.ErrUnknown
	}
	u, err := p.same(r.Provider)
	if err != nil {
		return answer{}, err
	}
	u.RawQuery = expand
	a, err := p.call(ctx, http.MethodGet, u, nil)
	if e, ok := errors.AsType[*problem](err); ok && e.missing() {
		return answer{}, fmt.Errorf("%w: %w", order.ErrUnknown, err)
	}
	if err != nil {
		return answer{}, err
	}
	if own, err := p.same(a.PaymentOrder.ID); err != nil || own.Path != u.Path {
		return answer{}, errors.New("the answer is another payment order")
	}
	if o := a.PaymentOrder.Paid.OrderReference; o != "" && o != r.ID {
		return answer{}, errors.New("the payment order is of another payment")
	}
	return a, nil
}

// follow does what an answer offers.
func (p *Provider) follow(ctx context.Context, o operation, method string, in any) error {
	if o.Method != method {
		return fmt.Errorf("the operation %s is a %s, not a %s", short(o.Rel), short(o.Method), method)
	}
	u, err := p.same(o.Href)
	if err != nil {
		return err
	}
	_, err = p.call(ctx, method, u, in)
	return err
}
