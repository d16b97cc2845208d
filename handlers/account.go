package handlers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// Account serves accountUrl: My account.
func (s *Server) Account() http.Handler {
	return s.gui.Handler(gui.Page{
		Path: "account", Flow: flows.Account, Parse: s.request,
		Links: map[string]string{"password": "resetPassword", "credential": "merge"},
	})
}

// Reauthenticate serves reauthenticateUrl: a user who is logged in proves that she
// still is who she is, unless she did so in the last maxAge seconds (default: as
// the kit's Lifetimes say).
func (s *Server) Reauthenticate() http.Handler {
	return s.gui.Handler(gui.Page{Path: "reauthenticate", Flow: flows.Reauthenticate, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if raw := q.Get("maxAge"); raw != "" && err == nil {
			seconds, bad := strconv.ParseUint(raw, 10, 31)
			if bad != nil || seconds == 0 {
				return req, &gui.Fault{Param: "maxAge", Reason: "must be a number of seconds"}
			}
			req.MaxAge = time.Duration(seconds) * time.Second
		}
		return req, err
	}})
}
