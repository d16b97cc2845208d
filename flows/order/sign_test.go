package order_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/publisher"
	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

const signer = "no.mediaconnect.test"

var signSecret = bytes.Repeat([]byte("8 bytes."), 8)

type members = map[string]any

// verifier is a service and a client that signs with signSecret.
type verifier struct {
	t       testing.TB
	service *order.Service
	client  *store.Client
	ring    *keys.Ring
}

func newVerifier(t testing.TB) *verifier {
	t.Helper()
	ring, err := keys.New([][]byte{bytes.Repeat([]byte("kit key "), 4)})
	if err != nil {
		t.Fatal(err)
	}
	s := memstore.New()
	systems, err := publisher.New(publisher.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	service, err := order.New(order.Config{Store: s, Clients: s, Keys: ring, Publishers: systems})
	if err != nil {
		t.Fatal(err)
	}
	v := &verifier{t, service, &store.Client{ID: signer, PartnerID: "partner", Targets: []string{"https://news.example/shop"}}, ring}
	v.client.PaymentSecrets = []string{v.seal(signSecret)}
	return v
}

func (v *verifier) seal(secret []byte) string {
	v.t.Helper()
	sealed, err := order.SealSecret(v.ring, v.client.ID, secret)
	if err != nil {
		v.t.Fatal(err)
	}
	return sealed
}

func (v *verifier) verify(token string) (order.Claims, error) {
	return v.service.VerifySign(v.t.Context(), v.client, token)
}

// good are claims with nothing wrong: the seeds' example, and what is optional.
func good() members {
	now := time.Now().Unix()
	return members{
		"paymentMethod": "creditcardPayex", "productSpecCode": "TOTT", "productSpecNo": 1, "recurring": true,
		"clientCode": signer, "externalReference": "UUID-2022-03-04T12:00:00.000Z", "nbf": now, "iat": now, "exp": now + 3600,
	}
}

func with(changes members) members {
	m := good()
	maps.Copy(m, changes)
	for name, v := range changes {
		if v == gone {
			delete(m, name)
		}
	}
	return m
}

// gone marks a claim that is left out.
var gone = new(int)

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// token signs any header and payload by hand.
func token(header, payload string, h func() hash.Hash, secret []byte) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(h, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const hs512 = `{"alg":"HS512","typ":"JWT"}`

func signed(claims members) string {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return token(hs512, string(b), sha512.New, signSecret)
}

func TestVerifySign(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	c, err := v.verify(signed(good()))
	if err != nil {
		t.Fatal(err)
	}
	if c.ClientCode != signer || c.PaymentMethod != order.CreditCardPayEx || c.PaymentFlow != order.Seamless || c.ProductSpecCode != "TOTT" ||
		c.ProductSpecNo != 1 || !c.Recurring || c.ExternalReference != "UUID-2022-03-04T12:00:00.000Z" || c.Amount != nil || c.Currency != "" ||
		c.Expiry.Sub(c.IssuedAt) != time.Hour || !c.NotBefore.Equal(c.IssuedAt) {
		t.Errorf("claims %+v", c)
	}
	c, err = v.verify(signed(with(members{
		"paymentFlow": "redirect", "currency": "NOK", "amount": json.Number("299.90"), "description": "Fjordposten, én måned", "nbf": gone,
		"phoneNumber": "400 00 001", "returnUrl": "https://news.example/shop/done?a=b#c", "iss": "not looked at",
	})))
	if err != nil {
		t.Fatal(err)
	}
	if c.PaymentFlow != order.Redirect || c.Currency != "NOK" || *c.Amount != 299_90 || c.Description != "Fjordposten, én måned" || !c.NotBefore.IsZero() ||
		c.PhoneNumber != "+4740000001" || c.ReturnURL != "https://news.example/shop/done?a=b#c" {
		t.Errorf("claims %+v", c)
	}
	// What is optional may be null.
	if _, err := v.verify(signed(with(members{"paymentFlow": nil, "currency": nil, "amount": nil, "description": nil, "phoneNumber": nil, "returnUrl": nil, "nbf": nil}))); err != nil {
		t.Errorf("null: %v", err)
	}
}

// The table of methods, flows and recurring (ConnectID: "Payment methods").
func TestSignMethods(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	allowed := map[string]order.PaymentFlow{ // and the flow that comes of it
		"creditcardPayex,true,": order.Seamless, "creditcardPayex,false,": order.Seamless,
		"creditcardPayex,true,seamless": order.Seamless, "creditcardPayex,false,seamless": order.Seamless,
		"creditcardPayex,true,redirect": order.Redirect, "creditcardPayex,false,redirect": order.Redirect,
		"vippsRecurring,true,": order.Redirect, "vippsRecurring,true,redirect": order.Redirect,
		"vippsEcommerce,false,": order.Redirect, "vippsEcommerce,false,redirect": order.Redirect,
	}
	for _, method := range []string{"creditcardPayex", "vippsRecurring", "vippsEcommerce", "creditcard", "swishPayex", "invoice", "free", "kco", ""} {
		for _, recurring := range []string{"true", "false"} {
			for _, flow := range []string{"", "seamless", "redirect", "popup"} {
				name := method + "," + recurring + "," + flow
				changes := members{"paymentMethod": method, "recurring": recurring == "true", "returnUrl": "https://news.example/shop"}
				if flow != "" {
					changes["paymentFlow"] = flow
				}
				c, err := v.verify(signed(with(changes)))
				if want, ok := allowed[name]; ok != (err == nil) || ok && c.PaymentFlow != want {
					t.Errorf("%s: flow %q, %v", name, c.PaymentFlow, err)
				}
			}
		}
	}
}

// Each rule of the claims, broken alone.
func TestSignClaims(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	now := time.Now().Unix()
	redirect := members{"paymentFlow": "redirect", "returnUrl": "https://news.example/shop"}
	for _, tt := range []struct {
		name    string
		changes members
		field   string
		sign    bool // matches ErrSign
	}{
		{"no clientCode", members{"clientCode": gone}, "clientCode", false},
		{"other client", members{"clientCode": "no.mediaconnect.other"}, "clientCode", false},
		{"client in capitals", members{"clientCode": strings.ToUpper(signer)}, "clientCode", false},
		{"clientCode null", members{"clientCode": nil}, "clientCode", false},
		{"clientCode a list", members{"clientCode": []string{signer}}, "clientCode", false},
		{"no paymentMethod", members{"paymentMethod": gone}, "paymentMethod", false},
		{"paymentMethod a number", members{"paymentMethod": 1}, "paymentMethod", false},
		{"paymentMethod in capitals", members{"paymentMethod": "CREDITCARDPAYEX"}, "paymentMethod", false},
		{"member in capitals", members{"paymentMethod": gone, "PaymentMethod": "creditcardPayex"}, "paymentMethod", false},
		{"paymentFlow true", members{"paymentFlow": true}, "paymentFlow", false},
		{"no productSpecCode", members{"productSpecCode": gone}, "productSpecCode", false},
		{"empty productSpecCode", members{"productSpecCode": ""}, "productSpecCode", false},
		{"long productSpecCode", members{"productSpecCode": strings.Repeat("å", 41)}, "productSpecCode", false},
		{"productSpecCode a number", members{"productSpecCode": 1}, "productSpecCode", false},
		{"no productSpecNo", members{"productSpecNo": gone}, "productSpecNo", false},
		{"productSpecNo a string", members{"productSpecNo": "1"}, "productSpecNo", false},
		{"productSpecNo a fraction", members{"productSpecNo": json.Number("1.5")}, "productSpecNo", false},
		{"productSpecNo zero", members{"productSpecNo": 0}, "productSpecNo", false},
		{"productSpecNo negative", members{"productSpecNo": -1}, "productSpecNo", false},
		{"productSpecNo not exact", members{"productSpecNo": json.Number("9007199254740993")}, "productSpecNo", false},
		{"productSpecNo huge", members{"productSpecNo": json.Number("99999999999999999999")}, "productSpecNo", false},
		{"no recurring", members{"recurring": gone}, "recurring", false},
		{"recurring null", members{"recurring": nil}, "recurring", false},
		{"recurring a string", members{"recurring": "true"}, "recurring", false},
		{"recurring a number", members{"recurring": 1}, "recurring", false},
		{"no externalReference", members{"externalReference": gone}, "externalReference", false},
		{"empty externalReference", members{"externalReference": ""}, "externalReference", false},
		{"externalReference a number", members{"externalReference": 17}, "externalReference", false},
		{"long externalReference", members{"externalReference": strings.Repeat("x", 101)}, "externalReference", false},
		{"externalReference with a line", members{"externalReference": "a\nb"}, "externalReference", false},
		{"externalReference that turns round", members{"externalReference": "a\u202eb"}, "externalReference", false},
		{"currency in lower case", members{"currency": "nok"}, "currency", false},
		{"no currency", members{"currency": "KRONER"}, "currency", false},
		{"three decimals", members{"currency": "TND"}, "currency", false},
		{"currency a number", members{"currency": 578}, "currency", false},
		{"amount a string", members{"amount": "299"}, "amount", false},
		{"amount true", members{"amount": true}, "amount", false},
		{"amount zero", members{"amount": 0}, "amount", false},
		{"amount 0.00", members{"amount": json.Number("0.00")}, "amount", false},
		{"amount negative", members{"amount": -1}, "amount", false},
		{"amount minus zero", members{"amount": json.Number("-0")}, "amount", false},
		{"amount with three decimals", members{"amount": json.Number("1.001")}, "amount", false},
		{"amount with an exponent", members{"amount": json.Number("1e2")}, "amount", false},
		{"amount too large", members{"amount": json.Number("1000000000.01")}, "amount", false},
		{"amount far too large", members{"amount": json.Number("1" + strings.Repeat("0", 40))}, "amount", false},
		{"amount with ören in yen", members{"amount": json.Number("1.5"), "currency": "JPY"}, "amount", false},
		{"description a number", members{"description": 1}, "description", false},
		{"long description", members{"description": strings.Repeat("æ", 201)}, "description", false},
		{"description with a tab", members{"description": "a\tb"}, "description", false},
		{"phoneNumber of letters", members{"phoneNumber": "call me"}, "phoneNumber", false},
		{"phoneNumber too short", members{"phoneNumber": "12"}, "phoneNumber", false},
		{"phoneNumber a number", members{"phoneNumber": 40000001}, "phoneNumber", false},
		{"phoneNumber of nobody", members{"phoneNumber": "+999123456"}, "phoneNumber", false},
		{"redirect without returnUrl", members{"paymentFlow": "redirect"}, "returnUrl", false},
		{"Vipps without returnUrl", members{"paymentMethod": "vippsRecurring"}, "returnUrl", false},
		{"returnUrl elsewhere", members{"paymentFlow": "redirect", "returnUrl": "https://evil.example/shop"}, "returnUrl", false},
		{"returnUrl beside the prefix", members{"paymentFlow": "redirect", "returnUrl": "https://news.example/shopping"}, "returnUrl", false},
		{"returnUrl with a user", members{"paymentFlow": "redirect", "returnUrl": "https://news.example@evil.example/shop"}, "returnUrl", false},
		{"returnUrl as script", members{"paymentFlow": "redirect", "returnUrl": "javascript:alert(1)"}, "returnUrl", false},
		{"returnUrl relative", members{"paymentFlow": "redirect", "returnUrl": "/shop"}, "returnUrl", false},
		{"returnUrl elsewhere, seamless", members{"returnUrl": "https://evil.example/"}, "returnUrl", false},
		{"returnUrl a list", members{"returnUrl": []string{"https://news.example/shop"}}, "returnUrl", false},
		{"no iat", members{"iat": gone}, "iat", false},
		{"no exp", members{"exp": gone}, "exp", false},
		{"exp a string", members{"exp": "soon"}, "exp", false},
		{"iat negative", members{"iat": -1}, "iat", false},
		{"exp huge", members{"exp": json.Number("1e300")}, "exp", false},
		{"exp before iat", members{"exp": now - 1}, "exp", false},
		{"exp with iat", members{"exp": now}, "exp", false},
		{"exp an hour and a second after iat", members{"exp": now + 3601}, "exp", false},
		{"iat in milliseconds", members{"iat": now * 1000, "exp": now*1000 + 3600}, "iat", false},
		{"expired", members{"iat": now - 3600, "nbf": gone, "exp": now - 61}, "exp", true},
		{"of the future", members{"iat": now + 70, "nbf": gone, "exp": now + 100}, "iat", true},
		{"not yet", members{"nbf": now + 70}, "nbf", true},
		{"nbf a string", members{"nbf": "now"}, "nbf", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes := maps.Clone(redirect)
			if _, ok := tt.changes["returnUrl"]; ok || tt.field == "returnUrl" || tt.changes["paymentFlow"] != nil {
				clear(changes)
			}
			maps.Copy(changes, tt.changes)
			c, err := v.verify(signed(with(changes)))
			refused, ok := errors.AsType[*order.RefusedError](err)
			if !ok || refused.Field != tt.field || errors.Is(err, order.ErrSign) != tt.sign || c != (order.Claims{}) {
				t.Errorf("claims %+v, error %v; want a refusal of %s", c, err, tt.field)
			}
		})
	}
	if _, err := v.verify(signed(with(redirect))); err != nil {
		t.Errorf("nothing is wrong with the others, but %v", err)
	}
}

// A minute to either side, to the second.
func TestSignTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t)
		start := time.Now()
		at := func(d time.Duration) int64 { return start.Add(d).Unix() }
		sign := signed(with(members{"iat": at(time.Minute), "nbf": at(time.Minute), "exp": at(61 * time.Minute)}))
		ahead := signed(with(members{"iat": at(0), "nbf": at(61 * time.Second)}))
		for _, step := range []struct {
			after time.Duration
			ok    bool
		}{{0, true}, {62*time.Minute - time.Nanosecond, true}, {62 * time.Minute, false}} {
			time.Sleep(time.Until(start.Add(step.after)))
			if _, err := v.verify(sign); (err == nil) != step.ok {
				t.Errorf("after %v: %v", step.after, err)
			}
			if _, err := v.verify(ahead); step.after == 0 && err == nil {
				t.Error("nbf in 61 seconds is taken")
			}
		}
		// Seconds may have a fraction (RFC 7519, section 2).
		now := float64(time.Now().Unix()) + 0.25
		if _, err := v.verify(signed(with(members{"iat": now, "nbf": gone, "exp": now + 3600}))); err != nil {
			t.Errorf("fractions: %v", err)
		}
	})
}

// Amounts are exact: what a floating-point number would not hold comes out right.
func TestSignAmount(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for _, tt := range []struct {
		literal, currency string
		want              int64
		in                string // the coupon's currency
		inWant            int64
		inOK              bool
	}{
		{"1", "NOK", 100, "NOK", 100, true},
		{"0.01", "NOK", 1, "NOK", 1, true},
		{"1.1", "SEK", 110, "SEK", 110, true},
		{"1.10", "SEK", 110, "NOK", 0, false},
		{"299.90", "DKK", 29990, "DKK", 29990, true},
		{"299.9000", "DKK", 29990, "DKK", 29990, true},
		{"8.95", "EUR", 895, "EUR", 895, true},
		{"90071992.47", "EUR", 9007199247, "EUR", 9007199247, true},
		{"1000000000", "NOK", 100000000000, "NOK", 100000000000, true},
		{"500", "JPY", 500, "JPY", 500, true},
		{"500.00", "JPY", 500, "JPY", 500, true},
		{"8.95", "", 895, "NOK", 895, true},
		{"8.00", "", 800, "JPY", 8, true},
		{"8.95", "", 895, "JPY", 0, false},
		{"8.95", "", 895, "KRONER", 0, false},
	} {
		changes := members{"amount": json.Number(tt.literal)}
		if tt.currency != "" {
			changes["currency"] = tt.currency
		}
		c, err := v.verify(signed(with(changes)))
		if err != nil || *c.Amount != tt.want {
			t.Errorf("%s %s: %v, %v", tt.literal, tt.currency, c.Amount, err)
			continue
		}
		if got, ok := c.AmountIn(tt.in); ok != tt.inOK || ok && *got != tt.inWant {
			t.Errorf("%s %s in %s: %v, %v", tt.literal, tt.currency, tt.in, got, ok)
		}
	}
	if got, ok := (order.Claims{}).AmountIn("NOK"); got != nil || !ok {
		t.Errorf("no amount: %v, %v", got, ok)
	}
}

// Nothing but HS512 with the client's own secret passes (RFC 8725).
func TestSignTricks(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	b, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	claims := string(b)
	ok := token(hs512, claims, sha512.New, signSecret)
	head, rest, _ := strings.Cut(ok, ".")
	body, mac, _ := strings.Cut(rest, ".")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs512, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS512, Key: rsaKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	byRSA, err := rs512.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	compactRSA, err := byRSA.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	hs := func(header string) string { return token(header, claims, sha512.New, signSecret) }
	other := bytes.Repeat([]byte("8 bytes!"), 8)
	for name, sign := range map[string]string{
		"nothing":                     "",
		"alg none":                    encode(members{"alg": "none"}) + "." + body + ".",
		"alg None":                    encode(members{"alg": "None"}) + "." + body + "." + mac,
		"no alg":                      hs(`{"typ":"JWT"}`),
		"alg hs512":                   hs(`{"alg":"hs512"}`),
		"alg a list":                  hs(`{"alg":["HS512"]}`),
		"alg twice":                   hs(`{"alg":"none","alg":"HS512"}`),
		"HS256":                       token(`{"alg":"HS256","typ":"JWT"}`, claims, sha256.New, signSecret),
		"HS384":                       token(`{"alg":"HS384","typ":"JWT"}`, claims, sha512.New384, signSecret),
		"HS512 said, HS256 made":      token(hs512, claims, sha256.New, signSecret),
		"RS512":                       compactRSA,
		"RS512 said, HS512 made":      hs(`{"alg":"RS512","typ":"JWT"}`),
		"its own key in jwk":          token(`{"alg":"HS512","jwk":{"kty":"oct","k":"`+base64.RawURLEncoding.EncodeToString(other)+`"}}`, claims, sha512.New, other),
		"no secret":                   token(hs512, claims, sha512.New, nil),
		"another secret":              token(hs512, claims, sha512.New, other),
		"the secret sealed":           token(hs512, claims, sha512.New, []byte(v.client.PaymentSecrets[0])),
		"crit":                        hs(`{"alg":"HS512","crit":["exp"],"exp":1}`),
		"crit null":                   hs(`{"alg":"HS512","crit":null}`),
		"b64 false":                   hs(`{"alg":"HS512","b64":false,"crit":["b64"]}`),
		"b64 alone":                   hs(`{"alg":"HS512","b64":false}`),
		"nested":                      token(`{"alg":"HS512","cty":"JWT"}`, ok, sha512.New, signSecret),
		"nested without cty":          token(hs512, ok, sha512.New, signSecret),
		"zip":                         hs(`{"alg":"HS512","zip":"DEF"}`),
		"typ of another token":        hs(`{"alg":"HS512","typ":"logout+jwt"}`),
		"header no object":            hs(`["HS512"]`),
		"header null":                 hs(`null`),
		"header cut":                  hs(`{"alg":"HS512"`),
		"two parts":                   head + "." + body,
		"four parts":                  ok + "." + mac,
		"dots":                        "..",
		"detached":                    head + ".." + mac,
		"no signature":                head + "." + body + ".",
		"padding":                     ok + "==",
		"line break":                  ok[:20] + "\n" + ok[20:],
		"white space":                 " " + ok,
		"standard base64":             strings.ReplaceAll(strings.ReplaceAll(ok, "-", "+"), "_", "/") + "+",
		"JSON serialization":          `{"protected":"` + head + `","payload":"` + body + `","signature":"` + mac + `"}`,
		"other claims":                head + "." + encode(with(members{"amount": 1})) + "." + mac,
		"other header":                encode(members{"alg": "HS512", "kid": "1"}) + "." + body + "." + mac,
		"signature cut":               ok[:len(ok)-2],
		"too long":                    token(`{"alg":"HS512","kid":"`+strings.Repeat("x", 8<<10)+`"}`, claims, sha512.New, signSecret),
		"claims twice":                token(hs512, claims[:len(claims)-1]+`,"recurring":true}`, sha512.New, signSecret),
		"claims a list":               token(hs512, "["+claims+"]", sha512.New, signSecret),
		"claims null":                 token(hs512, "null", sha512.New, signSecret),
		"claims and more":             token(hs512, claims+claims, sha512.New, signSecret),
		"claims not UTF-8":            token(hs512, strings.Replace(claims, "TOTT", "\xff\xfe", 1), sha512.New, signSecret),
		"the seeds' example, expired": "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJwYXltZW50TWV0aG9kIjoiY3JlZGl0Y2FyZFBheWV4IiwicHJvZHVjdFNwZWNDb2RlIjoiVE9UVCIsInByb2R1Y3RTcGVjTm8iOjEsInJlY3VycmluZyI6dHJ1ZSwiY2xpZW50Q29kZSI6Im5vLm1lZGlhY29ubmVjdC50ZXN0IiwiZXh0ZXJuYWxSZWZlcmVuY2UiOiJVVUlELTIwMjItMDMtMDRUMTI6MDA6MDAuMDAwWiIsIm5iZiI6MTY0NjM5NTQ0NywiaWF0IjoxNjQ2Mzk1NDQ3LCJleHAiOjE2NDYzOTkwNDd9._zH3XwyzOzgaaIvsIpw5byAT2It84zrr7t4U65fTmDNoI8AfC8O3f_G99qGv7OkEB1zBJ7Om33XtmB2-9QCwCA",
	} {
		c, err := v.verify(sign)
		if _, refused := errors.AsType[*order.RefusedError](err); !refused || c != (order.Claims{}) {
			t.Errorf("%s: %+v, %v; want a refusal", name, c, err)
		}
		if !strings.HasPrefix(name, "claims") && name != "nested without cty" && !errors.Is(err, order.ErrSign) {
			t.Errorf("%s: %v is no ErrSign", name, err)
		}
	}
	for name, header := range map[string]string{"no typ": `{"alg":"HS512"}`, "kid": `{"alg":"HS512","kid":"2022"}`, "typ in lower case": `{"alg":"HS512","typ":"jwt"}`} {
		if _, err := v.verify(hs(header)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any of a client's secrets signs; another's does not, and one that is too short
// can not be sealed, nor counts if somebody sealed it.
func TestPaymentSecrets(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	older := bytes.Repeat([]byte("older..."), 8)
	sign := signed(good())
	byOlder := token(hs512, string(mustJSON(t, good())), sha512.New, older)
	v.client.PaymentSecrets = append(v.client.PaymentSecrets, v.seal(older), "!not sealed")
	for _, s := range []string{sign, byOlder} {
		if _, err := v.verify(s); err != nil {
			t.Error(err)
		}
	}
	v.client.PaymentSecrets = v.client.PaymentSecrets[1:]
	if _, err := v.verify(sign); !errors.Is(err, order.ErrSign) {
		t.Errorf("a secret that was removed: %v", err)
	}
	// A sealed secret opens for its own client alone.
	foreign := *v.client
	foreign.ID = "no.mediaconnect.other"
	_, err := v.service.VerifySign(t.Context(), &foreign, token(hs512, string(mustJSON(t, with(members{"clientCode": foreign.ID}))), sha512.New, older))
	if err == nil || errors.Is(err, order.ErrSign) {
		t.Errorf("another client's sealed secret: %v; want an outage", err)
	}
	v.client.PaymentSecrets = nil
	if _, err := v.verify(sign); !errors.Is(err, order.ErrSign) {
		t.Errorf("no secret: %v", err)
	}
	for name, secret := range map[string][]byte{
		"none": nil, "63 bytes": signSecret[:63], "constant": make([]byte, 64), "constant 0xff": bytes.Repeat([]byte{0xff}, 64), "huge": bytes.Repeat([]byte("ab"), 1000),
	} {
		if sealed, err := order.SealSecret(v.ring, signer, secret); err == nil {
			t.Errorf("%s: sealed as %q", name, sealed)
		}
		if _, err := order.Sign(secret, order.Claims{}); err == nil || !strings.Contains(err.Error(), "payment secret") {
			t.Errorf("%s: signs: %v", name, err)
		}
	}
	if _, err := order.SealSecret(v.ring, "", signSecret); err == nil {
		t.Error("a secret is sealed for nobody")
	}
	// Sealed by hand, past SealSecret.
	short, err := v.ring.Seal("payment secret", signer, signSecret[:63])
	if err != nil {
		t.Fatal(err)
	}
	v.client.PaymentSecrets = []string{base64.RawURLEncoding.EncodeToString(short)}
	if _, err := v.verify(token(hs512, string(mustJSON(t, good())), sha512.New, signSecret[:63])); err == nil {
		t.Error("a short secret counts")
	}
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What Sign makes VerifySign takes, with the same claims.
func TestSign(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	now := time.Now().UTC().Truncate(time.Second)
	want := order.Claims{
		ClientCode: signer, PaymentMethod: order.VippsEcommerce, PaymentFlow: order.Redirect, ProductSpecCode: "TOTT", ProductSpecNo: 1,
		Currency: "NOK", Amount: new(int64(29905)), Description: `<b>"én"</b>`, ExternalReference: "1", PhoneNumber: "+4740000001",
		ReturnURL: "https://news.example/shop?a=1&b=2", NotBefore: now, IssuedAt: now, Expiry: now.Add(time.Minute),
	}
	sign, err := order.Sign(signSecret, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.verify(sign)
	if err != nil {
		t.Fatal(err)
	}
	if *got.Amount != *want.Amount {
		t.Errorf("amount %d", *got.Amount)
	}
	got.Amount = want.Amount
	if got != want {
		t.Errorf("claims %+v\nwant   %+v", got, want)
	}
	if again, err := order.Sign(signSecret, want); err != nil || again != sign {
		t.Errorf("the same claims are another sign: %v", err)
	}
	// The times have defaults.
	least := order.Claims{ClientCode: signer, PaymentMethod: order.CreditCardPayEx, ProductSpecCode: "TOTT", ProductSpecNo: 1, ExternalReference: "2"}
	if sign, err = order.Sign(signSecret, least); err != nil {
		t.Fatal(err)
	}
	if got, err = v.verify(sign); err != nil || got.Expiry.Sub(got.IssuedAt) != time.Hour || time.Since(got.IssuedAt) > time.Minute {
		t.Errorf("claims %+v, %v", got, err)
	}
	for name, change := range map[string]func(*order.Claims){
		"clientCode":        func(c *order.Claims) { c.ClientCode = "" },
		"paymentMethod":     func(c *order.Claims) { c.PaymentMethod = order.Invoice },
		"recurring":         func(c *order.Claims) { c.PaymentMethod, c.ReturnURL = order.VippsRecurring, "https://news.example/" },
		"externalReference": func(c *order.Claims) { c.ExternalReference = "" },
		"returnUrl":         func(c *order.Claims) { c.PaymentFlow = order.Redirect },
		"exp":               func(c *order.Claims) { c.Expiry = time.Now().Add(2 * time.Hour) },
		"amount":            func(c *order.Claims) { c.Amount = new(int64(-1)) },
		"phoneNumber":       func(c *order.Claims) { c.PhoneNumber = "400 00 001" },
	} {
		c := least
		change(&c)
		_, err := order.Sign(signSecret, c)
		if refused, ok := errors.AsType[*order.RefusedError](err); !ok || refused.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzVerifySign: whatever the token, what passes is signed and keeps the rules.
func FuzzVerifySign(f *testing.F) {
	v := newVerifier(f)
	f.Add(hs512, string(mustJSON(f, good())))
	f.Add(`{"alg":"none"}`, `{"amount":1e400}`)
	f.Add(hs512, string(mustJSON(f, with(members{"amount": json.Number("12.34"), "currency": "NOK", "phoneNumber": "40000001"}))))
	f.Fuzz(func(t *testing.T, header, claims string) {
		v := *v
		v.t = t
		if _, err := v.verify(header); err == nil {
			t.Errorf("%q passes as a sign", header)
		}
		c, err := v.verify(token(header, claims, sha512.New, signSecret))
		if err != nil {
			if _, ok := errors.AsType[*order.RefusedError](err); !ok {
				t.Errorf("%q %q: %v is no refusal", header, claims, err)
			}
			return
		}
		if c.ClientCode != signer || c.Expiry.Sub(c.IssuedAt) > time.Hour || c.Amount != nil && *c.Amount < 1 || c.PaymentFlow == "" || c.ExternalReference == "" {
			t.Errorf("%q %q: %+v passes", header, claims, c)
		}
		c.PhoneNumber = strings.TrimSpace(c.PhoneNumber)
		sign, err := order.Sign(signSecret, c)
		if err != nil { // a nbf after iat may be good by the leeway alone
			if c.NotBefore.After(c.IssuedAt) {
				return
			}
			t.Fatalf("%+v can not be signed again: %v", c, err)
		}
		if _, err := v.verify(sign); err != nil {
			t.Errorf("%+v signed again: %v", c, err)
		}
	})
}
