package order

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/nyaruka/phonenumbers"

	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// Claims are what a client signs for its payment script (ConnectID: "paymentInit
// request sign object").
type Claims struct {
	ClientCode    string
	PaymentMethod Method
	// PaymentFlow is never empty after [Service.VerifySign]: without the claim it is
	// Seamless for a method that can be, else Redirect.
	PaymentFlow     PaymentFlow
	ProductSpecCode string
	ProductSpecNo   int64
	Currency        string // ISO 4217; empty for the coupon's
	// Amount is in minor units of Currency, and in hundredths when that is empty: see
	// AmountIn. nil is the coupon's price.
	Amount            *int64
	Recurring         bool
	Description       string
	ExternalReference string
	PhoneNumber       string // E.164 after VerifySign
	ReturnURL         string
	NotBefore         time.Time // zero for at once
	IssuedAt          time.Time
	Expiry            time.Time
}

// The bounds of signs and their claims.
const (
	// MinSecret is the least size in bytes of a payment secret: that of the hash (RFC
	// 7518, section 3.2).
	MinSecret = 64
	// SignLifetime is the longest time between iat and exp.
	SignLifetime = time.Hour

	signLeeway      = time.Minute
	maxSecret       = 1 << 10
	maxSign         = 8 << 10
	maxDescription  = 200
	maxReference    = 100
	maxProductCode  = 40
	maxSignedAmount = 1_000_000_000_00 // in hundredths
	maxSafeInteger  = 1<<53 - 1        // that a number of JavaScript holds exactly
)

// secretPurpose is the purpose of keys under which payment secrets are sealed, each
// in the context of its client.
const secretPurpose = "payment secret"

// scriptMethods are what the script can pay with (ConnectID: "Payment methods"). The
// first flow is the one without a claim.
var scriptMethods = map[Method]struct {
	recurring []bool
	flows     []PaymentFlow
}{
	CreditCardPayEx: {[]bool{true, false}, []PaymentFlow{Seamless, Redirect}},
	VippsRecurring:  {[]bool{true}, []PaymentFlow{Redirect}},
	VippsEcommerce:  {[]bool{false}, []PaymentFlow{Redirect}},
}

// ErrSign says that a sign is not one that the client has signed, or that it is not
// its time. It comes with a [*RefusedError].
var ErrSign = errors.New("order: not a valid sign")

// unsigned is a refusal that matches ErrSign.
func unsigned(field, reason string) error {
	return fmt.Errorf("%w: %w", ErrSign, &RefusedError{Field: field, Reason: reason})
}

func refuseClaim(field, reason string) error { return &RefusedError{Field: field, Reason: reason} }

// AmountIn returns the amount in minor units of the currency, which is that of the
// coupon when the claims name none; false when the claims name another, or the
// amount has more decimals than the currency. It is nil when the claims have none.
func (c Claims) AmountIn(currency string) (*int64, bool) {
	digits, ok := publisher.MinorDigits(currency)
	switch {
	case !ok, c.Currency != "" && c.Currency != currency:
		return nil, false
	case c.Amount == nil || c.Currency != "":
		return c.Amount, true
	}
	unit := int64(1)
	for range 2 - digits {
		unit *= 10
	}
	if *c.Amount%unit != 0 {
		return nil, false
	}
	return new(*c.Amount / unit), true
}

// VerifySign verifies a sign against the client's payment secrets and every rule of
// the claims that needs no catalogue: a *RefusedError names the claim that is wrong.
// It matches ErrSign too when the sign is not the client's, or not at its time.
func (s *Service) VerifySign(_ context.Context, c *store.Client, token string) (Claims, error) {
	secrets, err := openSecrets(s.c.Keys, c)
	if err != nil {
		return Claims{}, err
	}
	payload, err := openSign(token, secrets)
	if err != nil {
		return Claims{}, err
	}
	return readClaims(payload, c, time.Now())
}

// openSecrets returns the client's payment secrets. One that can not be opened is
// left out as long as another can: a key of the ring may have been retired.
func openSecrets(ring *keys.Ring, c *store.Client) ([][]byte, error) {
	if len(c.PaymentSecrets) == 0 {
		return nil, unsigned("sign", "can not be verified: the client has no payment secret")
	}
	var secrets [][]byte
	var errs []error
	for i, sealed := range c.PaymentSecrets {
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err == nil {
			raw, _, err = ring.Open(secretPurpose, c.ID, raw)
		}
		if err == nil {
			err = checkSecret(raw)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("payment secret %d of %s: %w", i, c.ID, err))
			continue
		}
		secrets = append(secrets, raw)
	}
	if len(secrets) == 0 {
		return nil, errors.Join(errs...)
	}
	return secrets, nil
}

// openSign returns the payload of a sign that one of the secrets has made.
func openSign(token string, secrets [][]byte) ([]byte, error) {
	fail := func(reason string) ([]byte, error) { return nil, unsigned("sign", reason) }
	switch {
	case token == "":
		return fail("is missing")
	case len(token) > maxSign:
		return fail("is too long")
	case strings.Count(token, ".") != 2 || strings.Trim(token, ".-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "":
		return fail("is not a JWT in compact form") // the decoder would skip line breaks
	}
	encoded, _, _ := strings.Cut(token, ".")
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return fail("is not a JWT in compact form")
	}
	var header map[string]json.RawMessage // no member may stand twice
	if err := json.Unmarshal(plain, &header); err != nil || header == nil {
		return fail("has a malformed header")
	}
	for _, name := range []string{"crit", "b64", "cty", "zip", "enc"} { // RFC 7515, section 4.1.11; RFC 7797; RFC 7519, section 5.2
		if _, has := header[name]; has {
			return fail("has the header parameter " + name + ", which is not supported")
		}
	}
	if alg := string(header["alg"]); alg != `"HS512"` {
		return fail("is not signed with HS512")
	}
	if typ, has := header["typ"]; has && !strings.EqualFold(string(typ), `"JWT"`) {
		return fail("is not of the type JWT")
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.HS512})
	if err != nil {
		return fail("is not a JWT that is signed with HS512")
	}
	// All secrets are tried, so that the time does not say which one it was. What the
	// header says of keys is not looked at.
	var payload []byte
	for _, secret := range secrets {
		if p, err := jws.Verify(secret); err == nil {
			payload = p
		}
	}
	if payload == nil {
		return fail("is not signed with the client's payment secret")
	}
	return payload, nil
}

// readClaims checks what a sign says, its time first.
func readClaims(payload []byte, c *store.Client, now time.Time) (Claims, error) {
	r := claimReader{}
	if err := json.Unmarshal(payload, &r.members); err != nil || r.members == nil {
		return Claims{}, refuseClaim("sign", "has claims that are no JSON object, or a claim that stands twice")
	}
	out := Claims{
		NotBefore:         r.time("nbf", false),
		IssuedAt:          r.time("iat", true),
		Expiry:            r.time("exp", true),
		ClientCode:        r.text("clientCode", true, math.MaxInt),
		PaymentMethod:     Method(r.text("paymentMethod", true, math.MaxInt)),
		PaymentFlow:       PaymentFlow(r.text("paymentFlow", false, math.MaxInt)),
		ProductSpecCode:   r.text("productSpecCode", true, maxProductCode),
		ProductSpecNo:     r.whole("productSpecNo"),
		Currency:          r.text("currency", false, math.MaxInt),
		Recurring:         r.yes("recurring"),
		Description:       r.text("description", false, maxDescription),
		ExternalReference: r.text("externalReference", true, maxReference),
		PhoneNumber:       r.text("phoneNumber", false, math.MaxInt),
		ReturnURL:         r.text("returnUrl", false, math.MaxInt),
	}
	amount := r.decimal("amount")
	if r.err != nil {
		return Claims{}, r.err
	}
	if err := out.checkTime(now); err != nil {
		return Claims{}, err
	}
	if out.ClientCode != c.ID {
		return Claims{}, refuseClaim("clientCode", "is not the clientCode of the request")
	}
	if err := out.setAmount(amount); err != nil {
		return Claims{}, err
	}
	if err := out.checkPayment(); err != nil {
		return Claims{}, err
	}
	if err := out.setPhone(c.Region); err != nil {
		return Claims{}, err
	}
	if err := out.checkReturn(c); err != nil {
		return Claims{}, err
	}
	return out, nil
}

// checkTime checks nbf, iat and exp (RFC 7519, section 4.1).
func (c *Claims) checkTime(now time.Time) error {
	switch {
	case c.IssuedAt.After(now.Add(signLeeway)):
		return unsigned("iat", "is in the future")
	case c.NotBefore.After(now.Add(signLeeway)):
		return unsigned("nbf", "is in the future")
	case !now.Before(c.Expiry.Add(signLeeway)):
		return unsigned("exp", "is in the past")
	}
	return c.checkLifetime()
}

func (c *Claims) checkLifetime() error {
	switch {
	case !c.Expiry.After(c.IssuedAt):
		return refuseClaim("exp", "is not after iat")
	case c.Expiry.Sub(c.IssuedAt) > SignLifetime:
		return refuseClaim("exp", "is more than an hour after iat")
	}
	return nil
}

// checkPayment checks method, flow and what is bought.
func (c *Claims) checkPayment() error {
	m, ok := scriptMethods[c.PaymentMethod]
	if !ok {
		return refuseClaim("paymentMethod", "is none of creditcardPayex, vippsRecurring and vippsEcommerce")
	}
	if c.PaymentFlow == "" {
		c.PaymentFlow = m.flows[0]
	}
	switch {
	case c.PaymentFlow != Seamless && c.PaymentFlow != Redirect:
		return refuseClaim("paymentFlow", "is neither seamless nor redirect")
	case !slices.Contains(m.flows, c.PaymentFlow):
		return refuseClaim("paymentFlow", "is not possible with this paymentMethod")
	case !slices.Contains(m.recurring, c.Recurring):
		return refuseClaim("recurring", "is not possible with this paymentMethod")
	case c.ProductSpecNo < 1 || c.ProductSpecNo > maxSafeInteger:
		return refuseClaim("productSpecNo", "is not a coupon number")
	case c.Currency != "" && !publisher.IsCurrency(c.Currency):
		return refuseClaim("currency", "is not a currency of ISO 4217 in capitals")
	}
	return nil
}

// setAmount turns the amount into minor units, without a floating-point number on
// the way.
func (c *Claims) setAmount(literal string) error {
	if literal == "" {
		return nil
	}
	digits := 2
	if d, ok := publisher.MinorDigits(c.Currency); ok {
		digits = d
	}
	whole, fraction, _ := strings.Cut(literal, ".")
	fraction = strings.TrimRight(fraction, "0") // 99.90 is 99.9
	switch {
	case strings.ContainsAny(literal, "eE"):
		return refuseClaim("amount", "has an exponent")
	case strings.HasPrefix(literal, "-"):
		return refuseClaim("amount", "is not above zero")
	case len(fraction) > digits:
		return refuseClaim("amount", fmt.Sprintf("has more than %d decimals", digits))
	case len(whole) > 12:
		return refuseClaim("amount", "is too large")
	}
	n, err := strconv.ParseInt(whole+fraction+"00"[:digits-len(fraction)], 10, 64)
	switch {
	case err != nil:
		return refuseClaim("amount", "is not a number")
	case n == 0:
		return refuseClaim("amount", "is not above zero")
	case n > maxSignedAmount:
		return refuseClaim("amount", "is too large")
	}
	c.Amount = &n
	return nil
}

// setPhone makes the phone number one of E.164. It may be written as in the
// client's country.
func (c *Claims) setPhone(region string) error {
	if c.PhoneNumber == "" {
		return nil
	}
	if region == "" {
		region = "NO"
	}
	if len(c.PhoneNumber) > 40 || strings.Trim(c.PhoneNumber, "+0123456789 -()./") != "" {
		return refuseClaim("phoneNumber", "is not a phone number")
	}
	n, err := phonenumbers.Parse(c.PhoneNumber, strings.ToUpper(region))
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return refuseClaim("phoneNumber", "is not a phone number")
	}
	c.PhoneNumber = phonenumbers.Format(n, phonenumbers.E164)
	return nil
}

// checkReturn checks the returnUrl against the client's targets, also where it is
// not needed: she may be sent there after a seamless payment that left the page.
func (c *Claims) checkReturn(client *store.Client) error {
	if c.ReturnURL == "" {
		if c.PaymentFlow == Redirect {
			return refuseClaim("returnUrl", "is missing: the flow redirect needs it")
		}
		return nil
	}
	u, err := target.Parse(c.ReturnURL)
	switch {
	case err != nil:
		return refuseClaim("returnUrl", "is refused: "+err.Error())
	case !target.For(client).Allows(u):
		return refuseClaim("returnUrl", "is not among the allowed targets of this client")
	}
	return nil
}

// claimReader reads claims by their types and keeps the first fault. A claim that
// is null is missing: callers leave out what is optional in either way.
type claimReader struct {
	members map[string]json.RawMessage
	err     error
}

func (r *claimReader) refuse(name, reason string) {
	if r.err == nil {
		r.err = refuseClaim(name, reason)
	}
}

// raw returns the claim as it stands, without white space around it; "" for none.
func (r *claimReader) raw(name string, required bool) string {
	raw := strings.TrimSpace(string(r.members[name]))
	if raw == "null" {
		raw = ""
	}
	if raw == "" && required {
		r.refuse(name, "is missing")
	}
	return raw
}

func (r *claimReader) text(name string, required bool, most int) string {
	raw := r.raw(name, required)
	if raw == "" {
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal([]byte(raw), &s) != nil {
		r.refuse(name, "is not a string")
		return ""
	}
	switch {
	case s == "" && required:
		r.refuse(name, "is empty")
	case utf8.RuneCountInString(s) > most:
		r.refuse(name, fmt.Sprintf("has more than %d characters", most))
	case strings.ContainsFunc(s, unprintable):
		r.refuse(name, "has characters that can not be printed")
	}
	return s
}

// unprintable reports whether r must stand in no claim: controls, line separators,
// format characters that change how the rest reads, and what was no UTF-8.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}

// number returns the literal of a number, as JSON writes it.
func (r *claimReader) number(name string, required bool) string {
	raw := r.raw(name, required)
	if raw == "" {
		return ""
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		r.refuse(name, "is not a number")
		return ""
	}
	return raw
}

func (r *claimReader) decimal(name string) string { return r.number(name, false) }

func (r *claimReader) whole(name string) int64 {
	raw := r.number(name, true)
	if raw == "" {
		return 0
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		r.refuse(name, "is not a whole number")
	}
	return n
}

func (r *claimReader) yes(name string) bool {
	raw := r.raw(name, true)
	if raw != "" && raw != "true" && raw != "false" {
		r.refuse(name, "is not a boolean")
	}
	return raw == "true"
}

// time reads a NumericDate (RFC 7519, section 2): seconds, which may have a fraction.
func (r *claimReader) time(name string, required bool) time.Time {
	raw := r.number(name, required)
	if raw == "" {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		r.refuse(name, "is not a time in seconds")
		return time.Time{}
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC()
}

// Sign signs the claims with a payment secret: what a site's server hands to its
// page for the payment script. ClientCode, PaymentMethod, ProductSpecCode,
// ProductSpecNo and ExternalReference are required; without IssuedAt it is now, and
// without Expiry an hour after. What [Service.VerifySign] would refuse whatever the
// client's record says is an error.
func Sign(secret []byte, c Claims) (string, error) {
	if err := checkSecret(secret); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = time.Now()
	}
	if c.Expiry.IsZero() {
		c.Expiry = c.IssuedAt.Add(SignLifetime)
	}
	members := map[string]any{
		"clientCode": c.ClientCode, "paymentMethod": c.PaymentMethod, "productSpecCode": c.ProductSpecCode, "productSpecNo": c.ProductSpecNo,
		"recurring": c.Recurring, "externalReference": c.ExternalReference, "iat": c.IssuedAt.Unix(), "exp": c.Expiry.Unix(),
	}
	for name, s := range map[string]string{
		"paymentFlow": string(c.PaymentFlow), "currency": c.Currency, "description": c.Description, "phoneNumber": c.PhoneNumber, "returnUrl": c.ReturnURL,
	} {
		if s != "" {
			members[name] = s
		}
	}
	if !c.NotBefore.IsZero() {
		members["nbf"] = c.NotBefore.Unix()
	}
	if c.Amount != nil {
		digits := 2
		if d, ok := publisher.MinorDigits(c.Currency); ok {
			digits = d
		}
		members["amount"] = json.Number(decimals(*c.Amount, digits))
	}
	payload, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	// The reader finds the faults, for a client with just this target.
	client := &store.Client{ID: c.ClientCode}
	if u, err := target.Parse(c.ReturnURL); err == nil {
		client.Targets, client.InsecureAllowHTTP = []string{u.Origin()}, true
	}
	if c.PhoneNumber != "" && !strings.HasPrefix(c.PhoneNumber, "+") {
		return "", fmt.Errorf("sign: %w", refuseClaim("phoneNumber", "is not of E.164"))
	}
	if _, err := readClaims(payload, client, c.IssuedAt); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS512, Key: secret}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return jws.CompactSerialize()
}

// decimals writes n with the decimal point moved left by digits.
func decimals(n int64, digits int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	s := fmt.Sprintf("%0*d", digits+1, n)
	if digits == 0 {
		return sign + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// checkSecret checks a payment secret (RFC 7518, section 3.2).
func checkSecret(secret []byte) error {
	switch {
	case len(secret) < MinSecret:
		return fmt.Errorf("the payment secret has %d bytes: want at least %d", len(secret), MinSecret)
	case len(secret) > maxSecret:
		return fmt.Errorf("the payment secret has %d bytes: want at most %d", len(secret), maxSecret)
	case bytes.Count(secret, secret[:1]) == len(secret):
		return errors.New("the payment secret is the same byte all through")
	}
	return nil
}

// SealSecret seals a payment secret (at least 64 bytes) for PaymentSecrets of the
// client's record.
func SealSecret(ring *keys.Ring, clientID string, secret []byte) (string, error) {
	if err := checkSecret(secret); err != nil {
		return "", err
	}
	if clientID == "" {
		return "", errors.New("no client to seal a payment secret for")
	}
	sealed, err := ring.Seal(secretPurpose, clientID, secret)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}
