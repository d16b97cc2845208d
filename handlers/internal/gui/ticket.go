package gui

import (
	"encoding/json"
	"errors"

	"github.com/connectid-kit/connectid/flows"
)

// errTicket says that what stands for a run was not sealed by us, or a day ago.
var errTicket = errors.New("not a ticket of this page")

// sealTicket seals a ticket for the forms and addresses of one page.
func (g *GUI) sealTicket(page string, t flows.Ticket) (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return g.tickets.Seal(page, b)
}

func (g *GUI) openTicket(page, sealed string) (flows.Ticket, error) {
	var t flows.Ticket
	b, err := g.tickets.Open(page, sealed)
	if err != nil || json.Unmarshal(b, &t) != nil {
		return t, errTicket
	}
	return t, nil
}
