package handlers

import (
	"context"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/store"
)

// Register serves registerUrl (ConnectID: "URL: register").
func (s *Server) Register() http.Handler {
	return s.gui.Handler(gui.Page{Path: "register", Flow: flows.Register, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		req.CredentialSubmit, err = boolean(q, "credentialSubmit", false)
		return req, err
	}})
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
