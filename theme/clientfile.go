package theme

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/store"
)

// maxClientFile bounds client.json and texts.json, in bytes.
const maxClientFile = 256 << 10

// clientFields are the names of client.json with what they set.
func clientFields(c *store.Client) map[string]any {
	return map[string]any{
		"clientId": &c.ID, "partnerId": &c.PartnerID, "disabled": &c.Disabled,
		"name": &c.Name, "description": &c.Description, "homepage": &c.Homepage,
		"customerCarePhone": &c.CustomerCarePhone, "customerCareEmail": &c.CustomerCareEmail,
		"product": &c.Product, "subscriptionTermsUrl": &c.SubscriptionTermsURL, "userTermsUrl": &c.UserTermsURL,
		"language": &c.Language, "region": &c.Region, "guiVersion": &c.GUIVersion,
		"targets": &c.Targets, "redirectUris": &c.RedirectURIs,
		"insecureRedirectPrefixes": &c.InsecureRedirectPrefixes, "insecureAllowHttp": &c.InsecureAllowHTTP,
		"public": &c.Public, "secretHashes": &c.Secrets, "grantTypes": &c.GrantTypes, "scopes": &c.Scopes,
		"insecureSkipPkce": &c.InsecureSkipPKCE, "omitIssuer": &c.OmitIssuer,
		"keepRefreshToken": &c.KeepRefreshToken, "mayIntrospect": &c.MayIntrospect,
		"consentRequired": &c.ConsentRequired, "requirePar": &c.RequirePAR, "requireDpop": &c.RequireDPoP,
		"resources": &c.Resources, "postLogoutRedirectUris": &c.PostLogoutRedirectURIs,
		"backchannelLogoutUri": &c.BackchannelLogoutURI, "idTokenAlg": &c.IDTokenAlg,
		"accessLifetime": &c.AccessLifetime, "refreshLifetime": &c.RefreshLifetime,
		"sealedPaymentSecrets": &c.PaymentSecrets, "priceOverride": &c.PriceOverride,
		"passwordOptional": &c.PasswordOptional, "callsPerMinute": &c.CallsPerMinute,
		"callsPerSecond": &c.CallsPerSecond, "sendsPerHour": &c.SendsPerHour,
	}
}

// clientRequired is the least that a client has to say of itself (ConnectID:
// "Configuration for new client"; logo and background are files).
var clientRequired = []string{"clientId", "name", "description", "homepage", "customerCarePhone",
	"customerCareEmail", "product", "subscriptionTermsUrl", "userTermsUrl"}

var (
	clientIDForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	regionForm     = regexp.MustCompile(`^[A-Z]{2}$`)
	phoneForm      = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{1,29}$`)
	tokenForm      = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) // RFC 6749, section 3.3
	secretHashForm = regexp.MustCompile(`^(sha256:[A-Za-z0-9_-]{43}|\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)$`)
	// sealedForm is what keys.Ring.Seal makes of 64 bytes and more, in base64url.
	sealedForm = regexp.MustCompile(`^A[Q-Za-f][A-Za-z0-9_-]{120,}$`)
	secretName = regexp.MustCompile(`(?i)secret|password|key`)
)

// parseClient reads client.json.
func parseClient(src []byte) (store.Client, FileFaults) {
	var c store.Client
	p := &clientParser{faultList: faultList{src: src}, at: make(map[string][]int)}
	if p.read(clientFields(&c)) {
		for _, name := range clientRequired {
			if p.at[name] == nil {
				p.add(0, "missing %q", name)
			}
		}
		p.check(&c)
	}
	return c, p.faults()
}

type clientParser struct {
	faultList
	at map[string][]int // field: where its value is, and each element of a list; empty when it is of the wrong kind
}

// read fills the fields from the object and reports whether it came to its end.
func (p *clientParser) read(fields map[string]any) bool {
	dec := json.NewDecoder(bytes.NewReader(p.src))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		p.add(0, "want an object, { … }")
		return false
	}
	for dec.More() {
		keyAt := p.skip(dec.InputOffset())
		tok, err := dec.Token()
		if err != nil {
			p.syntax(dec, err)
			return false
		}
		name, _ := tok.(string)
		valueAt := p.skip(dec.InputOffset())
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			p.syntax(dec, err)
			return false
		}
		field, known := fields[name]
		switch {
		case !known && secretName.MatchString(name):
			p.add(keyAt, "unknown field %q: no secret belongs into this file; secretHashes holds hashes of them", shorten(name))
		case !known:
			p.add(keyAt, "unknown field %q", shorten(name))
		case p.at[name] != nil:
			p.add(keyAt, "%q is there twice", name)
		default:
			p.at[name] = []int{valueAt}
			p.set(name, field, raw, valueAt)
		}
	}
	if _, err := dec.Token(); err != nil {
		p.syntax(dec, err)
		return false
	}
	if end := p.skip(dec.InputOffset()); end < len(p.src) {
		p.add(end, "there is something behind the object")
	}
	return true
}

// skip returns the offset of the next thing that is neither space nor
// punctuation between members.
func (p *clientParser) skip(from int64) int {
	rest := p.src[from:]
	return len(p.src) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
}

func (p *clientParser) syntax(dec *json.Decoder, err error) {
	at := dec.InputOffset()
	if bad, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = max(bad.Offset-1, 0)
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at = int64(len(p.src))
	}
	p.add(int(at), "bad JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// set puts one value into its field.
func (p *clientParser) set(name string, field any, raw json.RawMessage, at int) {
	var err error
	want := ""
	switch field := field.(type) {
	case *string:
		want, err = "a string", json.Unmarshal(raw, field)
		if err == nil && (strings.ContainsFunc(*field, unicode.IsControl) || len(*field) > 2048) {
			p.add(at, "%s: control characters, or longer than 2048 bytes", name)
		}
	case *bool:
		want, err = "true or false", json.Unmarshal(raw, field)
	case *int:
		want, err = "a whole number from 0 on", json.Unmarshal(raw, field)
		if err == nil && *field < 0 {
			err = errors.New("negative")
		}
	case *time.Duration:
		var s string
		want = `a duration such as "12h" or "30m"`
		if err = json.Unmarshal(raw, &s); err == nil {
			*field, err = time.ParseDuration(s)
		}
		if err == nil && *field <= 0 {
			err = errors.New("not positive")
		}
	case *[]string:
		want, err = "a list of strings", json.Unmarshal(raw, field)
		dec := json.NewDecoder(bytes.NewReader(raw))
		if _, e := dec.Token(); err == nil && e == nil {
			for dec.More() {
				p.at[name] = append(p.at[name], p.skip(int64(at)+dec.InputOffset()))
				if _, e := dec.Token(); e != nil {
					break
				}
			}
		}
	}
	if err != nil || bytes.Equal(raw, []byte("null")) {
		p.add(at, "%s: want %s", name, want)
		p.at[name] = []int{} // there, but not worth another look
	}
}

// each checks the elements of a list, each at its own place.
func (p *clientParser) each(name string, list []string, check func(string) error) {
	for i, v := range list {
		if err := check(v); err != nil && i+1 < len(p.at[name]) {
			p.add(p.at[name][i+1], "%s: %v", name, err)
		}
	}
}

// one checks a field that was given.
func (p *clientParser) one(name string, ok bool, format string, args ...any) {
	if at := p.at[name]; len(at) > 0 && !ok {
		p.add(at[0], name+": "+format, args...)
	}
}

func (p *clientParser) check(c *store.Client) {
	p.one("clientId", clientIDForm.MatchString(c.ID), "want letters, digits, dots, - and _, beginning with a letter or digit")
	p.one("language", slices.Contains(texts.Langs(), c.Language), "want one of %s", strings.Join(texts.Langs(), ", "))
	p.one("region", regionForm.MatchString(c.Region), "want a country's two capital letters")
	p.one("guiVersion", c.GUIVersion == 1 || c.GUIVersion == 2, "want 1 or 2")
	p.one("customerCarePhone", phoneForm.MatchString(c.CustomerCarePhone), "want a phone number")
	address, err := mail.ParseAddress(c.CustomerCareEmail)
	p.one("customerCareEmail", err == nil && address.Address == c.CustomerCareEmail, "want an e-mail address")
	for name, v := range map[string]string{"name": c.Name, "description": c.Description, "product": c.Product} {
		p.one(name, strings.TrimSpace(v) != "", "is empty")
	}
	for name, v := range map[string]string{"homepage": c.Homepage, "subscriptionTermsUrl": c.SubscriptionTermsURL, "userTermsUrl": c.UserTermsURL} {
		_, err := target.Parse(v)
		p.one(name, err == nil, "%v", err)
	}
	p.each("targets", c.Targets, func(v string) error {
		_, err := target.NewSet([]string{v}, c.InsecureAllowHTTP)
		return err
	})
	p.each("redirectUris", c.RedirectURIs, func(v string) error {
		_, err := target.NewRedirectSet([]string{v}, nil, c.InsecureAllowHTTP)
		return err
	})
	p.each("insecureRedirectPrefixes", c.InsecureRedirectPrefixes, func(v string) error {
		_, err := target.NewRedirectSet(nil, []string{v}, c.InsecureAllowHTTP)
		return err
	})
	p.each("postLogoutRedirectUris", c.PostLogoutRedirectURIs, func(v string) error {
		_, err := target.NewRedirectSet([]string{v}, nil, c.InsecureAllowHTTP)
		return err
	})
	p.each("resources", c.Resources, func(v string) error {
		if u, err := url.Parse(v); err != nil || !u.IsAbs() || strings.Contains(v, "#") { // RFC 8707, section 2
			return fmt.Errorf("bad value %q: want an absolute URI without a fragment", shorten(v))
		}
		return nil
	})
	// OpenID Connect Back-Channel Logout 1.0, section 2.2: it may have a query, and
	// has no fragment.
	place, _, _ := strings.Cut(c.BackchannelLogoutURI, "?")
	if _, err = target.NewSet([]string{place}, c.InsecureAllowHTTP); err == nil {
		_, err = target.ParseRedirect(c.BackchannelLogoutURI)
	}
	p.one("backchannelLogoutUri", err == nil, "%v", err)
	p.one("idTokenAlg", c.IDTokenAlg == "ES256" || c.IDTokenAlg == "RS256", "want ES256 or RS256")
	p.each("secretHashes", c.Secrets, func(v string) error {
		if !secretHashForm.MatchString(v) {
			// The value is not repeated: it may be a secret.
			return errors.New("want hashes as oauth.HashSecret writes them, not secrets")
		}
		return nil
	})
	for name, list := range map[string][]string{"grantTypes": c.GrantTypes, "scopes": c.Scopes} {
		p.each(name, list, func(v string) error {
			if !tokenForm.MatchString(v) {
				return fmt.Errorf("bad value %q", shorten(v))
			}
			return nil
		})
	}
	p.each("sealedPaymentSecrets", c.PaymentSecrets, func(v string) error {
		if !sealedForm.MatchString(v) { // nor is this
			return errors.New("want secrets as Kit.SealPaymentSecret seals them")
		}
		return nil
	})
	p.one("priceOverride", !c.Public || !c.PriceOverride, "anybody can speak for a public client")
	p.one("secretHashes", !c.Public || len(c.Secrets) == 0, "a public client has no secret")
}
