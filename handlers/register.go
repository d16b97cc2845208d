package handlers

import (
	"context"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/store"
)

// Register serves registerUrl (ConnectID: "URL: register"), and below it callback,
// to which payment providers send users back.
func (s *Server) Register() http.Handler {
	parse := func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		req.PayReturn = s.gui.URL("register/callback")
		req.CredentialSubmit, err = boolean(q, "credentialSubmit", false)
		return req, err
	}
	return s.andCallback("register",
		s.gui.Handler(gui.Page{Path: "register", Flow: flows.Register, Parse: parse}),
		s.gui.Back(gui.Back{
			Flow: flows.Register, Parse: parse, Page: "register",
			// It begins again: what is paid for is found by who she is.
			Lost: func(_ context.Context, req flows.Request) (string, error) {
				return s.gui.Path("register") + "?" + req.Query, nil
			},
		}))
}

// ActivateMembership serves activateMembershipUrl (ConnectID: "URL:
// activateMembership"). The documents describe its credentialType with the words
// for credential, so both readings are served: A and B say which kind of
// credential is asked for, anything else is a credential.
func (s *Server) ActivateMembership() http.Handler {
	return s.gui.Handler(gui.Page{Path: "activateMembership", Flow: flows.ActivateMembership, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		switch kind := store.CredentialKind(q.Get("credentialType")); {
		case kind == store.Email, kind == store.Phone:
			req.LoginType = kind
		case req.Credential == "":
			req.Credential, err = credential(string(kind))
		}
		return req, err
	}})
}
