package handlers

import (
	"context"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// LoginCheck serves loginCheckUrl (ConnectID: "GUI: loginCheckUrl"): as a redirect
// of the whole page, by ajax and as the src of a script. Embedded checks see
// the session through a narrow cookie of their own, and no remember-me.
func (s *Server) LoginCheck() http.Handler {
	return s.gui.Jump(gui.Jump{
		Flow: flows.LoginCheck, Embeddable: true,
		Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
			if q.Get("clientId") != "" {
				return s.request(ctx, r, q)
			}
			c, err := s.clientByTargets(ctx, q.Get("returnUrl"), q.Get("errorUrl"))
			if err != nil {
				return flows.Request{}, err
			}
			return s.requestOf(r, q, &c)
		},
	})
}
