package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
)

// Login serves loginUrl (ConnectID: "GUI: loginUrl").
func (s *Server) Login() http.Handler {
	return s.gui.Handler(gui.Page{Path: "login", Flow: flows.Login, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		req.AssumeNewUser, err = boolean(q, "assumeNewUser", false)
		return req, err
	}})
}

// CreateUser serves createUserUrl (ConnectID: "GUI: createUserUrl").
func (s *Server) CreateUser() http.Handler {
	return s.gui.Handler(gui.Page{Path: "createUser", Flow: flows.CreateUser, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		if req.AssumeNewUser, err = boolean(q, "assumeNewUser", true); err != nil {
			return req, err
		}
		req.CredentialSubmit, err = boolean(q, "credentialSubmit", false)
		return req, err
	}})
}

// ResetPassword serves resetPasswordUrl (ConnectID: "URL: resetPassword").
func (s *Server) ResetPassword() http.Handler {
	return s.gui.Handler(gui.Page{Path: "resetPassword", Flow: flows.ResetPassword, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		req.CredentialSubmit, err = boolean(q, "credentialSubmit", false)
		return req, err
	}})
}

// maxCredential is the longest credential that is taken from a query.
const maxCredential = 320

// credential reads the credential parameter. What it says is judged later, and
// shown back for correction if it is neither an e-mail address nor a number.
func credential(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > maxCredential {
		return "", &gui.Fault{Param: "credential", Reason: "is too long"}
	}
	if strings.ContainsFunc(raw, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", &gui.Fault{Param: "credential", Reason: "has a control character"}
	}
	return raw, nil
}
