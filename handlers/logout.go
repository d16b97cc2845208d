package handlers

import (
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// Logout serves logoutUrl (ConnectID: "URL: logout"). Embedded as an image, a frame
// or a script it does nothing and leads to the errorUrl, so that no page can log
// its visitors out by the way.
func (s *Server) Logout() http.Handler {
	return s.gui.Jump(gui.Jump{
		Flow: flows.Logout, Parse: s.request,
		Refuse: gui.Embedded,
	})
}
