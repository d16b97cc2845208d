package exhibit

import (
	"time"

	"github.com/connectid-kit/connectid/theme"
)

// lists are a reader's things, for the pages that list them.
var lists = map[string][]theme.Item{
	"credentials": {
		{Key: "A:kari.nordmann@example.com", Title: "kari.nordmann@example.com", Flags: map[string]bool{"removable": true, "chosen": true}},
		{Key: "A:k.n", Title: "kari.marie.nordmann-with-a-very-long-name@a-subdomain.of.a-long-domain.example", Flags: map[string]bool{"removable": true, "unverified": true}},
		{Key: "B:+4790000001", Title: "+47 900 00 001", Flags: map[string]bool{"removable": true, "isPhone": true}},
	},
	"devices": {
		{Key: "1", Title: "Firefox Windows", Detail: "Fjordposten", Flags: map[string]bool{"current": true}},
		{Key: "2", Title: "Safari iPhone", Detail: "Fjordposten", Age: 3 * time.Hour, Flags: map[string]bool{"remembered": true}},
		{Key: "3", Detail: "Skärgårdsnytt", Age: 24 * time.Hour},
	},
	"sites": {
		{Key: "no.mediaconnect.app", Title: "Fjordposten-appen", Age: 12 * 24 * time.Hour},
		{Key: "no.mediaconnect.test2", Title: "Skärgårdsnytt", Age: time.Hour},
		{Key: "no.mediaconnect.reading", Title: "Lesesirkelen", Detail: "email openid profile", Flags: map[string]bool{"idle": true}},
	},
	"scopes": {{Key: "openid"}, {Key: "profile"}, {Key: "email"}, {Key: "phone"}, {Key: "offline_access"}, {Key: "reading-lists:write"}},
	"agreed": {{Key: "archive"}},
	"receipt": {
		{Key: "0", Title: "Fjordposten Digital", Detail: "for 1 måned, deretter 299,00 kr per måned", Amount: "99,00 kr"},
		{Key: "1", Title: "Papiravisa lørdag og søndag, levert på døra", Detail: "2 × 567,75 kr", Amount: "1 135,50 kr"},
	},
	"subscriptions": {{Title: "Fjordposten Digital", Detail: "1000123"}},
	"memberships":   {{Title: "Turlaget", Detail: "2026"}},
	"externals":     {{Title: "AID:48213"}},
	"orders": {
		{Key: "paid", Title: "Fjordposten Digital", Detail: "199,00\u00a0kr"},
		{Key: "handedOver", Title: "2 × Skärgårdsnytt, helg", Detail: "598,00\u00a0SEK"},
		{Key: "preliminary", Title: "Fjordposten Helg"},
	},
	"languages": {
		{Key: "nb", Flags: map[string]bool{"chosen": true}}, {Key: "nn"}, {Key: "sv"}, {Key: "da"}, {Key: "fi"}, {Key: "en"},
	},
}

// fillLists puts on the page the lists and links that its state shows.
func fillLists(p *theme.Page, s theme.State) {
	if len(s.Lists)+len(s.Links) == 0 {
		return
	}
	p.Lists, p.Links = map[string][]theme.Item{}, map[string]string{}
	for _, name := range s.Lists {
		p.Lists[name] = lists[name]
	}
	for _, name := range s.Links {
		p.Links[name] = p.Action
	}
	for _, f := range s.Flags {
		if f != "passwordless" && f != "otherUser" { // what an account usually has
			p.Flags[f] = true
		}
	}
}
