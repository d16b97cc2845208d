// Package handlers is the login server: one handler for each GUI URL of the
// ConnectID documents. A handler reads its parameters and names its flow; what
// happens then is the flow's business.
package handlers

import (
	"context"
	"net/http"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/internal/target"
	"github.com/connectid-kit/connectid/store"
)

// Config configures a login [Server]. All fields are required but Logger.
type Config = gui.Config

// Server is the login server. Each of its methods returns the handler of one
// URL; all of them are safe for concurrent use.
type Server struct{ gui *gui.GUI }

// New returns the login server, or what is wrong with the configuration.
func New(c Config) (*Server, error) {
	g, err := gui.New(c)
	if err != nil {
		return nil, err
	}
	return &Server{g}, nil
}

// GUI returns the adapter between browsers and flows, for the other servers of
// the kit.
func (s *Server) GUI() *gui.GUI { return s.gui }

// NotFound answers paths that the login server does not have.
func (s *Server) NotFound() http.Handler { return http.HandlerFunc(s.gui.NotFound) }

// request reads what every GUI URL has: clientId, returnUrl, errorUrl,
// credential and the language of the pages.
func (s *Server) request(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
	c, err := s.gui.Client(ctx, q.Get("clientId"))
	if err != nil {
		return flows.Request{}, err
	}
	return s.requestOf(r, q, c)
}

func (s *Server) requestOf(r *http.Request, q gui.Params, c *store.Client) (req flows.Request, err error) {
	req.Client = c
	if req.Return, err = s.gui.Target(c, "returnUrl", q.Get("returnUrl")); err != nil {
		return req, err
	}
	if req.Error, err = s.gui.Target(c, "errorUrl", q.Get("errorUrl")); err != nil {
		return req, err
	}
	if req.Credential, err = credential(q.Get("credential")); err != nil {
		return req, err
	}
	req.Lang = gui.Lang(r, q.Get("lang"), q.Get("ui_locales"), c.Language)
	req.LangAsked = q.Get("lang")+q.Get("ui_locales") != ""
	return req, nil
}

// boolean reads a parameter that is true or false.
func boolean(q gui.Params, name string, absent bool) (bool, error) {
	switch q.Get(name) {
	case "":
		return absent, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, &gui.Fault{Param: name, Reason: "must be true or false"}
}

// clientByTargets returns the one client that allows both URLs (loginCheck
// without clientId, as in the documents' own example of a script).
func (s *Server) clientByTargets(ctx context.Context, returnURL, errorURL string) (store.Client, error) {
	fault := &gui.Fault{Param: "clientId", Reason: "is missing, and not exactly one client allows both URLs"}
	back, err := target.Parse(returnURL)
	if err != nil {
		return store.Client{}, &gui.Fault{Param: "returnUrl", Reason: "is refused: " + err.Error()}
	}
	fail, err := target.Parse(errorURL)
	if err != nil {
		return store.Client{}, &gui.Fault{Param: "errorUrl", Reason: "is refused: " + err.Error()}
	}
	var found []store.Client
	for c, err := range s.gui.Clients.ClientsByOrigin(ctx, back.Origin()) {
		if err != nil {
			return store.Client{}, err
		}
		if allowed := target.For(&c); !c.Disabled && allowed.Allows(back) && allowed.Allows(fail) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return store.Client{}, fault
	}
	return found[0], nil
}
