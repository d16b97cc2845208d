package vipps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// draft is a DraftAgreement (Recurring API v3).
type draft struct {
	Pricing       pricing       `json:"pricing"`
	Interval      interval      `json:"interval"`
	InitialCharge initialCharge `json:"initialCharge"`
	PhoneNumber   string        `json:"phoneNumber,omitempty"`
	AgreementURL  string        `json:"merchantAgreementUrl"`
	RedirectURL   string        `json:"merchantRedirectUrl"`
	ProductName   string        `json:"productName"`
	ExternalID    string        `json:"externalId"`
}

type pricing struct {
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type interval struct {
	Unit  string `json:"unit"`
	Count int    `json:"count"`
}

type initialCharge struct {
	Amount          int64  `json:"amount"`
	Description     string `json:"description"`
	TransactionType string `json:"transactionType"`
	OrderID         string `json:"orderId"`
	ExternalID      string `json:"externalId"`
}

// reserveCapture says that the merchant takes the money.
const reserveCapture = "RESERVE_CAPTURE"

// newCharge is a CreateCharge.
type newCharge struct {
	Amount          int64  `json:"amount"`
	TransactionType string `json:"transactionType"`
	Description     string `json:"description"`
	Due             string `json:"due"` // yyyy-mm-dd
	RetryDays       int    `json:"retryDays"`
	OrderID         string `json:"orderId"`
	ExternalID      string `json:"externalId"`
}

// chargeModification is a CaptureRequest and a RefundRequest.
type chargeModification struct {
	Amount      int64  `json:"amount"`
	Description string `json:"description"`
}

// agreement is an AgreementResponse.
type agreement struct {
	ID              string `json:"id"`
	Status          string `json:"status"`
	ConfirmationURL string `json:"vippsConfirmationUrl"`
	Pricing         struct {
		Currency string `json:"currency"`
	} `json:"pricing"`
}

// The states of agreements.
const (
	agreementPending = "PENDING"
	agreementActive  = "ACTIVE"
	agreementStopped = "STOPPED"
	agreementExpired = "EXPIRED"
)

// charge is a ChargeResponse.
type charge struct {
	ID            string `json:"id"`
	AgreementID   string `json:"agreementId"`
	Type          string `json:"type"`
	Status        string `json:"status"`
	Amount        int64  `json:"amount"`
	Currency      string `json:"currency"`
	Description   string `json:"description"`
	FailureReason string `json:"failureReason"`
	Summary       struct {
		Captured  int64 `json:"captured"`
		Refunded  int64 `json:"refunded"`
		Cancelled int64 `json:"cancelled"`
	} `json:"summary"`
	History []struct {
		Event   string `json:"event"`
		Success bool   `json:"success"`
	} `json:"history"`
}

const agreementsPath = "/recurring/v3/agreements"

func chargePath(ref reference, more string) string {
	return agreementsPath + "/" + ref.agreement + "/charges/" + ref.id + more
}

// intervalOf is a period as agreements have it: 1 to 31 days, weeks, months or years.
func intervalOf(p order.Period) (interval, error) {
	i := interval{Count: p.Length}
	switch string(p.Unit) {
	case "days":
		if i.Unit = "DAY"; i.Count > 31 && i.Count%7 == 0 {
			i = interval{"WEEK", i.Count / 7}
		}
	case "weeks":
		i.Unit = "WEEK"
	case "months":
		if i.Unit = "MONTH"; i.Count > 31 && i.Count%12 == 0 {
			i = interval{"YEAR", i.Count / 12}
		}
	case "years":
		i.Unit = "YEAR"
	}
	if i.Unit == "" || i.Count < 1 || i.Count > 31 {
		return interval{}, fmt.Errorf("no interval of %d %q", p.Length, p.Unit)
	}
	return i, nil
}

// startAgreement drafts an agreement with an initial charge (Recurring:
// DraftAgreementV3).
func (p *Provider) startAgreement(ctx context.Context, s order.Start) (order.Started, error) {
	renewal := s.Renewal
	if renewal.Period == (order.Period{}) {
		renewal = p.c.Renewal
	}
	every, err := intervalOf(renewal.Period)
	switch {
	case p.c.AgreementURL == "":
		return order.Started{}, refuse("recurring payments need Config.AgreementURL")
	case renewal.Period == (order.Period{}):
		return order.Started{}, refuse("nothing says what it costs later, nor does Config.Renewal")
	case err != nil:
		return order.Started{}, refuse("%v", err)
	case renewal.Price < 100: // DraftAgreementPricingRequest
		return order.Started{}, refuse("a renewal at %d", renewal.Price)
	}
	name := text(45, s.Description, firstName(s.Lines), s.ID)
	in := draft{
		Pricing:  pricing{"LEGACY", renewal.Price, s.Currency},
		Interval: every,
		// Its orderId is its chargeId: unique at the sales unit, whatever becomes of keys.
		InitialCharge: initialCharge{s.Amount, name, reserveCapture, s.ID, s.ID},
		PhoneNumber:   phone(s.Payer.Phone),
		AgreementURL:  p.c.AgreementURL,
		RedirectURL:   s.ReturnURL,
		ProductName:   name,
		ExternalID:    s.ID,
	}
	var out struct {
		AgreementID     string `json:"agreementId"`
		ConfirmationURL string `json:"vippsConfirmationUrl"`
		ChargeID        string `json:"chargeId"`
	}
	err = p.call(ctx, http.MethodPost, agreementsPath, keyOf("draft", s.ID, s.Key), in, &out)
	if hasStatus(err, http.StatusConflict) {
		return p.startedAgreement(ctx, s)
	}
	if err != nil {
		return order.Started{}, begun(err)
	}
	ref := reference{kind: initial, agreement: out.AgreementID, id: out.ChargeID}
	if ref.id == "" {
		ref.id = s.ID
	}
	if !nameForm.MatchString(ref.agreement) || !nameForm.MatchString(ref.id) {
		return order.Started{}, errors.New("vipps: the answer names no agreement")
	}
	if err := p.checkRedirect(out.ConfirmationURL); err != nil {
		return order.Started{}, err
	}
	return order.Started{Ref: ref.String(), RedirectURL: out.ConfirmationURL}, nil
}

// startedAgreement finds the agreement of a call that was not answered.
func (p *Provider) startedAgreement(ctx context.Context, s order.Start) (order.Started, error) {
	c, err := p.chargeByID(ctx, s.ID)
	if err != nil {
		return order.Started{}, err
	}
	if c.Type != "INITIAL" || c.Amount != s.Amount || c.Currency != s.Currency {
		return order.Started{}, fmt.Errorf("vipps: charge %s exists with another amount", s.ID)
	}
	ref := reference{kind: initial, agreement: c.AgreementID, id: c.ID}
	a, err := p.readAgreement(ctx, ref)
	if err != nil {
		return order.Started{}, err
	}
	if a.Status != agreementPending {
		return order.Started{Ref: ref.String(), RedirectURL: s.ReturnURL}, nil // there is nowhere to go but back
	}
	if err := p.checkRedirect(a.ConfirmationURL); err != nil {
		return order.Started{}, err
	}
	return order.Started{Ref: ref.String(), RedirectURL: a.ConfirmationURL}, nil
}

// chargeByID finds a charge whose agreement is not known (Recurring:
// FetchChargeByIdV3): only for what was never answered, for it is rationed.
func (p *Provider) chargeByID(ctx context.Context, id string) (charge, error) {
	var c charge
	if err := p.call(ctx, http.MethodGet, "/recurring/v3/charges/"+id, "", nil, &c); err != nil {
		return charge{}, err
	}
	if c.ID != id || !nameForm.MatchString(c.AgreementID) {
		return charge{}, errors.New("vipps: the answer is of another charge")
	}
	return c, nil
}

func (p *Provider) findCharge(ctx context.Context, id string) (reference, error) {
	c, err := p.chargeByID(ctx, id)
	if err != nil {
		return reference{}, unknown(err)
	}
	ref := reference{kind: later, agreement: c.AgreementID, id: id}
	if c.Type == "INITIAL" {
		ref.kind = initial
	}
	return ref, nil
}

func (p *Provider) readAgreement(ctx context.Context, ref reference) (agreement, error) {
	var a agreement
	if err := p.call(ctx, http.MethodGet, agreementsPath+"/"+ref.agreement, "", nil, &a); err != nil {
		return agreement{}, unknown(err)
	}
	if a.ID != ref.agreement {
		return agreement{}, errors.New("vipps: the answer is of another agreement")
	}
	return a, nil
}

// getAgreement asks how the initial charge of an agreement stands (Recurring:
// FetchAgreementV3, FetchChargeV3). Its agreement says whether the payer has
// answered, the charge what became of the money.
func (p *Provider) getAgreement(ctx context.Context, ref reference) (view, error) {
	a, err := p.readAgreement(ctx, ref)
	if err != nil {
		return view{}, err
	}
	switch a.Status {
	case agreementPending:
		return view{standing: order.Standing{State: order.Open}, status: a.Status}, nil
	case agreementActive, agreementStopped, agreementExpired:
	default:
		return view{}, fmt.Errorf("vipps: an agreement in the unknown state %q", text(32, a.Status))
	}
	var v view
	c, err := p.readCharge(ctx, ref)
	switch {
	case hasStatus(err, http.StatusNotFound) && a.Status != agreementActive:
		v, err = ended(a.Status), nil // before anything was charged
	case err == nil:
		v, err = c.initial(a.Status)
	}
	v.status = a.Status
	return v, err
}

// ended is an agreement that the payer has refused, or not answered in time.
func ended(status string) view {
	st := order.Standing{State: order.Cancelled, Reason: status}
	if status == agreementExpired {
		st.State = order.Failed
	}
	return view{standing: st}
}

// initial judges the initial charge of an agreement in a state other than PENDING.
func (c charge) initial(status string) (view, error) {
	v, err := c.view()
	if err != nil {
		return view{}, err
	}
	money := v.standing
	switch {
	case status == agreementActive:
	case money.State == order.Open && (c.Status == chargePending || c.Status == chargeDue),
		money.State == order.Cancelled:
		v.standing = ended(status).standing // nothing can be drawn any more
		v.standing.Amount, v.standing.Currency = money.Amount, money.Currency
	}
	if status != agreementActive {
		v.standing.Token = ""
	}
	return v, nil
}

func (p *Provider) readCharge(ctx context.Context, ref reference) (charge, error) {
	var c charge
	if err := p.call(ctx, http.MethodGet, chargePath(ref, ""), "", nil, &c); err != nil {
		return charge{}, err
	}
	if c.ID != ref.id || c.AgreementID != ref.agreement {
		return charge{}, errors.New("vipps: the answer is of another charge")
	}
	return c, nil
}

// getCharge asks how a later charge stands (Recurring: FetchChargeV3).
func (p *Provider) getCharge(ctx context.Context, ref reference) (view, error) {
	c, err := p.readCharge(ctx, ref)
	if err != nil {
		return view{}, unknown(err)
	}
	return c.view()
}

// The states of charges (Recurring guide, "Charge states"). UNKNOWN is one, too: the
// answer has to be asked for again.
const (
	chargePending           = "PENDING"
	chargeDue               = "DUE"
	chargeProcessing        = "PROCESSING"
	chargeReserved          = "RESERVED"
	chargePartiallyCaptured = "PARTIALLY_CAPTURED"
	chargeCharged           = "CHARGED"
	chargePartiallyRefunded = "PARTIALLY_REFUNDED"
	chargeRefunded          = "REFUNDED"
	chargeFailed            = "FAILED"
	chargeCancelled         = "CANCELLED"
)

// view judges a charge by its state and amounts. What does not fit together is an
// error and never a success.
func (c charge) view() (view, error) {
	s := c.Summary
	switch {
	case c.Amount <= 0 || c.Amount > 1<<40 || len(c.Currency) != 3:
		return view{}, errors.New("vipps: a charge without an amount")
	case s.Captured < 0 || s.Refunded < 0 || s.Cancelled < 0 || s.Captured > c.Amount || s.Refunded > s.Captured || s.Cancelled > c.Amount:
		return view{}, errors.New("vipps: a charge whose amounts do not fit together")
	}
	v := view{
		standing: order.Standing{Amount: c.Amount, Currency: c.Currency}, description: c.Description,
		taken: s.Captured - s.Refunded,
	}
	st := &v.standing
	switch c.Status {
	case chargePending, chargeDue, chargeProcessing:
		st.State = order.Open
	case chargeFailed:
		st.State, st.Reason = order.Failed, text(64, c.FailureReason, c.Status)
	case chargeCancelled:
		st.State, st.Reason = order.Cancelled, c.Status
		for _, e := range c.History {
			if e.Event == "RESERVE" && e.Success {
				st.State = order.Released
			}
		}
	case chargeReserved:
		st.State, st.Amount = order.Authorized, c.Amount-s.Cancelled
		v.rest = st.Amount
	case chargePartiallyCaptured:
		st.State, st.Amount = order.Captured, s.Captured
		v.rest = max(c.Amount-s.Captured-s.Cancelled, 0)
	case chargeCharged, chargePartiallyRefunded:
		st.State, st.Amount = order.Captured, s.Captured
	case chargeRefunded:
		// The guide shows it for a part, too.
		if st.State, st.Amount = order.Refunded, s.Captured; s.Refunded < s.Captured {
			st.State = order.Captured
		}
	default:
		return view{}, fmt.Errorf("vipps: a charge in the unknown state %q", text(32, c.Status))
	}
	switch st.State {
	case order.Captured, order.Refunded:
		if s.Captured == 0 {
			return view{}, fmt.Errorf("vipps: a charge in state %q with nothing taken", c.Status)
		}
	default:
		if s.Captured > 0 || st.Amount <= 0 {
			return view{}, fmt.Errorf("vipps: a charge in state %q with money taken, or nothing reserved", c.Status)
		}
	}
	if st.State == order.Captured || st.State == order.Authorized {
		st.Token = c.AgreementID
	}
	return v, nil
}

// stop ends an agreement for good (Recurring: UpdateAgreementPatchV3).
func (p *Provider) stop(ctx context.Context, ref reference, key string) error {
	in := struct {
		Status string `json:"status"`
	}{agreementStopped}
	return p.call(ctx, http.MethodPatch, agreementsPath+"/"+ref.agreement, keyOf("stop", ref.agreement, key, p.while(time.Hour)), in, nil)
}

// createCharge makes a charge that is drawn on a later day (Recurring:
// CreateChargeV3).
func (p *Provider) createCharge(ctx context.Context, c order.Charge) (order.Charged, error) {
	ref := reference{kind: later, agreement: c.Token, id: c.ID}
	// One that exists is not made again, not even on another day.
	v, err := p.getCharge(ctx, ref)
	if !errors.Is(err, order.ErrUnknown) {
		return charged(ref, v, err)
	}
	a, err := p.readAgreement(ctx, ref)
	switch {
	case errors.Is(err, order.ErrUnknown):
		return order.Charged{}, refuse("there is no such agreement")
	case err != nil:
		return order.Charged{}, err
	case a.Status != agreementActive:
		return order.Charged{}, refuse("the agreement is %q", text(32, a.Status))
	case a.Pricing.Currency != c.Currency:
		return order.Charged{}, refuse("the agreement is in %q, not in %s", text(8, a.Pricing.Currency), c.Currency)
	}
	// Recurring guide, "Due date": so many days ahead, that the payer can see it in
	// the app, and at most two years.
	today := day(p.now())
	due := today.AddDate(0, 0, p.c.DaysAhead)
	if !c.DueAt.IsZero() && day(c.DueAt).After(due) {
		due = day(c.DueAt)
	}
	if due.After(today.AddDate(2, 0, 0)) {
		return order.Charged{}, refuse("a charge due in more than two years")
	}
	in := newCharge{
		Amount: c.Amount, TransactionType: reserveCapture, Description: text(45, c.Description, c.ID),
		Due: due.Format(time.DateOnly), RetryDays: p.c.RetryDays, OrderID: c.ID, ExternalID: c.ID,
	}
	var out struct {
		ChargeID string `json:"chargeId"`
	}
	err = p.call(ctx, http.MethodPost, agreementsPath+"/"+ref.agreement+"/charges", keyOf("charge", c.ID, c.Key, in.Due), in, &out)
	switch {
	case hasStatus(err, http.StatusConflict): // somebody else was faster
		v, err := p.getCharge(ctx, ref)
		return charged(ref, v, err)
	case err != nil:
		return order.Charged{}, begun(err)
	}
	if out.ChargeID != "" {
		ref.id = out.ChargeID
	}
	if !nameForm.MatchString(ref.id) {
		return order.Charged{}, errors.New("vipps: the answer names no charge")
	}
	return order.Charged{Ref: ref.String(), Standing: order.Standing{State: order.Open, Amount: c.Amount, Currency: c.Currency}}, nil
}

// day is the day in Norway, in summer time all the year: near midnight rather a day
// too late than one too early.
func day(t time.Time) time.Time { return t.UTC().Add(2 * time.Hour).Truncate(24 * time.Hour) }

func charged(ref reference, v view, err error) (order.Charged, error) {
	if err != nil {
		return order.Charged{}, err
	}
	return order.Charged{Ref: ref.String(), Standing: v.standing}, nil
}
