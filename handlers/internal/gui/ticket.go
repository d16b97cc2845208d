package gui

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

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

// Query parses a query as strictly as it can without refusing what real callers
// send: a semicolon is an ordinary character (net/url would drop the pair), a
// broken percent-encoding is a [Fault].
func Query(raw string) (url.Values, error) {
	if strings.Contains(raw, ";") {
		raw = strings.ReplaceAll(raw, ";", "%3B")
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &Fault{Param: "query", Reason: "is not percent-encoded"}
	}
	return q, CheckOnce(q)
}
