package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// OrderLink serves the link that a client has sent to the user of an order (ConnectID:
// order/{orderId}/user). Where it leads is kept with the link, and checked as if the
// address said it; a link that is none, or too old, leads to the client's homepage.
func (s *Server) OrderLink() http.Handler {
	return s.gui.Handler(gui.Page{Path: "orderLink", Flow: flows.OrderLink, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		c, err := s.gui.Client(ctx, q.Get("clientId"))
		if err != nil {
			return flows.Request{}, err
		}
		req := flows.Request{Client: c, OrderLink: q.Get("token")}
		l, err := s.gui.Accounts.OrderLink(ctx, c.ID, req.OrderLink)
		if errors.Is(err, account.ErrExpired) {
			l.ReturnURL, l.ErrorURL = c.Homepage, c.Homepage
		} else if err != nil {
			return req, err
		}
		if req.Return, err = s.gui.Target(c, "returnUrl", l.ReturnURL); err != nil {
			return req, err
		}
		if req.Error, err = s.gui.Target(c, "errorUrl", l.ErrorURL); err != nil {
			return req, err
		}
		req.Lang = gui.Lang(r, q.Get("lang"), q.Get("ui_locales"), c.Language)
		req.LangAsked = q.Get("lang")+q.Get("ui_locales") != ""
		return req, nil
	}})
}
