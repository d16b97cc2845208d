package handlers

import (
	"net/http"
	"net/url"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// LoginCheck serves loginCheckUrl (ConnectID: "GUI: loginCheckUrl"): as a redirect
// of the whole page, by ajax and as the src of a script. Embedded checks see
// the session through a narrow cookie of their own, and no remember-me.
func (s *Server) LoginCheck() http.Handler {
	return s.gui.Jump(gui.Jump{
		Flow: flows.LoginCheck, Embeddable: true,
		Parse: func(r *http.Request, q url.Values) (flows.Request, error) {
			if q.Get("clientId") != "" {
				return s.request(r, q)
			}
			c, err := s.clientByTargets(r.Context(), q.Get("returnUrl"), q.Get("errorUrl"))
			if err != nil {
				return flows.Request{}, err
			}
			return s.requestOf(r, q, &c)
		},
	})
}
