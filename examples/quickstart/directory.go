package main

import (
	"encoding/base64"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/examples/company"
	"github.com/connectid-kit/connectid/flows/directory/entra"
)

// The demo's company, and the application that it has registered.
const (
	companyName   = "Havbruk AS"
	companyTenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	otherTenant   = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	application   = "00001111-aaaa-2222-bbbb-3333cccc4444"
)

// directoryOf names the company's directory for the readers of each client.
var directoryOf = map[string]string{firstClient: "havbruk", secondClient: "havbruk-sverige"}

var people = []company.Person{
	{Name: "Kari Nordmann", Title: "Manages the farm at Ytterøya", ObjectID: "690222be-ff1a-4d56-abd1-7e4f7d38e474"},
	{Name: "Ola Svensson", Title: "Counts salmon", ObjectID: "3d1f7e0c-52a6-4b8e-9c7f-1a2b3c4d5e6f"},
	{Name: "Maja Holm", Title: "Of another company: she will be refused", ObjectID: "0f9e8d7c-6b5a-4948-8372-615049382716", Tenant: otherTenant},
}

// openCompany starts the company's directory, and returns what the newspapers'
// readers can register with.
func (d *demo) openCompany() (map[string]connectid.Directory, error) {
	// A new one at each start, as both who know it are in this process.
	secret := base64.RawURLEncoding.EncodeToString(random(32))
	there := company.Config{
		Base: d.Company, Company: companyName, Tenant: companyTenant,
		ClientID: application, ClientSecret: secret, People: people,
	}
	here, err := entra.New(entra.Config{
		ClientID: application, ClientSecret: secret, Tenants: []string{companyTenant},
		Authority: d.Company, InsecureAllowHTTP: !d.secure(), FormPost: true, Transport: d.transport(),
	})
	if err != nil {
		return nil, err
	}
	all := map[string]connectid.Directory{}
	for clientID, id := range directoryOf {
		there.RedirectURIs = append(there.RedirectURIs, d.Login+"/azure/"+id+"/callback")
		all[id] = connectid.Directory{ClientID: clientID, Directory: here}
	}
	d.company, err = company.New(there)
	return all, err
}

// directories are what scripts are told.
func (d *demo) directories() []infoDirectory {
	var all []infoDirectory
	for _, clientID := range []string{firstClient, secondClient} {
		one := infoDirectory{ID: directoryOf[clientID], ClientID: clientID, Company: companyName}
		for _, p := range people {
			one.People = append(one.People, infoPerson{Name: p.Name, ObjectID: p.ObjectID, Works: p.Tenant == ""})
		}
		all = append(all, one)
	}
	return all
}
