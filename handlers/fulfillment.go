package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// maxOrders is how many orders can be paid for at once.
const maxOrders = 20

// Orders finds the orders that a link is about, before anybody is logged in.
type Orders interface {
	Check(ctx context.Context, c order.Checkout) ([]order.Order, error)
}

// noOrders is what a link says that names no orders, other people's, another
// client's, or such as do not go together: one answer, which tells nobody which.
func noOrders() *gui.Fault {
	return &gui.Fault{Param: "orderId", Reason: "names no order, or not orders of one client that its user can pay for together"}
}

func orderFault(err error) *gui.Fault {
	if errors.Is(err, flows.ErrNoOrder) {
		return noOrders()
	}
	return nil
}

// orderIDs reads the one parameter that may be repeated: one ID, several with
// commas between them, or several times one (ConnectID: "Can be list of orders").
// They are positive numbers of 53 bits.
func orderIDs(q gui.Params) ([]int64, error) {
	var ids []int64
	for _, p := range q {
		if p.Name != "orderId" {
			continue
		}
		for _, raw := range strings.Split(p.Value, ",") {
			raw = strings.TrimSpace(raw)
			id, err := strconv.ParseInt(raw, 10, 64)
			if err != nil || id < 1 || id >= 1<<53 || strconv.FormatInt(id, 10) != raw {
				return nil, noOrders()
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
			if len(ids) > maxOrders {
				return nil, noOrders()
			}
		}
	}
	if len(ids) == 0 {
		return nil, &gui.Fault{Param: "orderId", Reason: "is missing"}
	}
	return ids, nil
}

// Fulfillment serves fulfillmentUrl (ConnectID: "URL: fulfillment"), and below it
// callback, to which payment providers send users back.
func (s *Server) Fulfillment(orders Orders) http.Handler {
	parse := func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		ids, err := orderIDs(q)
		if err != nil {
			return flows.Request{}, err
		}
		all, err := orders.Check(ctx, order.Checkout{OrderIDs: ids, ClientID: q.Get("clientId")})
		if _, refused := errors.AsType[*order.RefusedError](err); refused || errors.Is(err, order.ErrNotFound) || err == nil && len(all) == 0 {
			return flows.Request{}, noOrders()
		}
		if err != nil {
			return flows.Request{}, err
		}
		c, err := s.gui.Client(ctx, all[0].ClientID)
		if _, unknown := errors.AsType[*gui.Fault](err); unknown {
			return flows.Request{}, noOrders()
		}
		if err != nil {
			return flows.Request{}, err
		}
		req := flows.Request{Client: c, OrderIDs: ids, PayReturn: s.gui.URL("fulfillment/callback")}
		if req.Return, err = s.gui.Target(c, "returnUrl", q.Get("returnUrl")); err != nil {
			return req, err
		}
		if raw := q.Get("errorUrl"); raw != "" { // the documents have none
			if req.Error, err = s.gui.Target(c, "errorUrl", raw); err != nil {
				return req, err
			}
		}
		req.Lang = gui.Lang(r, q.Get("lang"), q.Get("ui_locales"), c.Language)
		req.LangAsked = q.Get("lang")+q.Get("ui_locales") != ""
		return req, nil
	}
	page := s.gui.Handler(gui.Page{
		Path: "fulfillment", Flow: flows.Fulfillment, Parse: parse, Location: fulfilled, Fault: orderFault,
	})
	back := s.gui.Back(gui.Back{
		Flow: flows.Fulfillment, Parse: parse, Page: "fulfillment", Location: fulfilled, Fault: orderFault,
		Lost: func(ctx context.Context, req flows.Request) (string, error) {
			outcome, err := s.gui.Engine.Outcome(ctx, req)
			return withStatus(req, outcome), err
		},
	})
	return s.andCallback("fulfillment", page, back)
}

// andCallback serves a page, and the address below it to which an outside party
// sends users back.
func (s *Server) andCallback(path string, page, back http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, s.gui.Path(path)) {
		case "":
			page.ServeHTTP(w, r)
		case "/callback":
			back.ServeHTTP(w, r)
		default:
			s.gui.NotFound(w, r)
		}
	})
}

// fulfilled says where a fulfillment ends: at the returnUrl, with the outcome. Who
// leaves without logging in is sent to the errorUrl if there is one.
func fulfilled(ctx context.Context, run *flows.Run, end flows.End) (string, error) {
	if end.Failed && !run.Request.Error.IsZero() {
		return gui.Location(ctx, run, end)
	}
	return withStatus(run.Request, flows.FulfillmentStatus(end)), nil
}

// withStatus adds the documented parameter, in place of one that is there.
func withStatus(req flows.Request, outcome order.Outcome) string {
	return req.Return.With("fulfillmentStatus", string(outcome))
}
