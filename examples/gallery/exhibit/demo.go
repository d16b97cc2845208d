package exhibit

import "github.com/connectid-kit/connectid/store"

// ClientLike returns a client record for previews of a folder of that name.
func ClientLike(id string) store.Client {
	return store.Client{
		ID: id, PartnerID: "preview", Name: id, Description: id,
		Homepage:          "https://www.example.com/",
		CustomerCarePhone: "+47 21 00 00 00", CustomerCareEmail: "kundeservice@example.com",
		SubscriptionTermsURL: "https://www.example.com/abonnementsvilkar", UserTermsURL: "https://www.example.com/brukervilkar",
		Language: "nb", Region: "NO", GUIVersion: 2,
	}
}

// DemoClients are the quickstart's newspapers, one of them in the older look
// too, and a client without a folder: the standard look.
func DemoClients() []store.Client {
	first, second, standard := ClientLike("no.mediaconnect.test"), ClientLike("no.mediaconnect.test2"), ClientLike("no.mediaconnect.plain")
	first.Name, second.Name, standard.Name = "Fjordposten", "Skärgårdsnytt", "The standard look"
	second.Language, second.Region = "sv", "SE"
	return []store.Client{first, second, standard}
}
