package main

import (
	"fmt"
	"net/url"

	"github.com/connectid-kit/connectid/handlers/oauth/extid"
	"github.com/connectid-kit/connectid/store"
)

const (
	firstClient  = "no.mediaconnect.test"
	secondClient = "no.mediaconnect.test2"
	publicClient = "no.mediaconnect.app"
)

// The publishers of the two newspapers.
const (
	fjord    = "fjordposten"
	skargard = "skargardsnytt"
)

// urls are the addresses at which the demo can be reached.
type urls struct {
	Host   string // of the login server: scheme and authority
	Login  string
	API    string
	Pay    string
	Papers [2]string
	// Company is the company directory's.
	Company string
}

// addresses returns the URLs for a port. The login server is on localhost and
// the newspapers on 127.0.0.1: to a browser these are different sites, as in
// real life.
func addresses(port int, secure bool) urls {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host := fmt.Sprintf("%s://localhost:%d", scheme, port)
	u := urls{Host: host, Login: host + "/user", API: host + "/capi", Pay: host + "/mcpay"}
	for i := range u.Papers {
		u.Papers[i] = fmt.Sprintf("%s://127.0.0.1:%d", scheme, port+1+i)
	}
	u.Company = fmt.Sprintf("%s://127.0.0.1:%d", scheme, port+3)
	return u
}

// secure reports whether everything is served over https.
func (u urls) secure() bool {
	parsed, err := url.Parse(u.Host)
	return err == nil && parsed.Scheme == "https"
}

// registered returns the demo's clients. secret hashes a client secret.
func (u urls) registered(secret func(clientID string) string) []store.Client {
	paper := func(id, partner, name, description, lang, region string, at int) store.Client {
		base := u.Papers[at]
		return store.Client{
			ID: id, PartnerID: partner,
			Name: name, Description: description, Homepage: base + "/",
			CustomerCarePhone: "+47 21 00 00 00", CustomerCareEmail: "kundeservice@example.com",
			Product:              name + " Digital",
			SubscriptionTermsURL: base + "/terms", UserTermsURL: base + "/terms",
			Language: lang, Region: region, GUIVersion: 2,
			Targets:          []string{base},
			RedirectURIs:     []string{base + "/callback"},
			Secrets:          []string{secret(id)},
			GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials"},
			PasswordOptional: at == 1,
			MayIntrospect:    at == 0,
		}
	}
	first := paper(firstClient, fjord, "Fjordposten", "Uavhengig avis for kysten", "nb", "NO", 0)
	first.GrantTypes = append(first.GrantTypes, extid.Type) // docs/external-identity.md
	second := paper(secondClient, skargard, "Skärgårdsnytt", "Hela kusten, varje morgon", "sv", "SE", 1)
	second.CustomerCarePhone, second.CustomerCareEmail = "+46 8 000 00 00", "kundtjanst@example.com"

	app := first
	app.ID, app.Name, app.Public, app.Secrets = publicClient, "Fjordposten-appen", true, nil
	app.GrantTypes = []string{"authorization_code", "refresh_token"}
	app.RedirectURIs = []string{"http://127.0.0.1/callback"} // any port: RFC 8252, section 7.3
	app.MayIntrospect = false
	return []store.Client{first, second, app, u.reading()}
}
