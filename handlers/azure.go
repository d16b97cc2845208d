package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/directory"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/internal/target"
)

// Directory is a company directory with which users can register.
type Directory struct {
	// ClientID is the client whose users do; its targets are where they may be
	// sent afterwards. Required.
	ClientID string
	// Directory is the directory itself. Required.
	Directory directory.Directory
}

// Azure serves azureUrl (ConnectID: "URL: azure"), azure/{id}, and the address at
// which the directory hands users back, azure/{id}/callback. It is mounted at
// azure/ and below. directories are by id.
func (s *Server) Azure(directories map[string]Directory) http.Handler {
	parse := func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, s.gui.Path("azure/")), "/")
		d, ok := directories[id]
		if !ok {
			return flows.Request{}, &gui.Fault{Param: "id", Reason: "is not that of a configured directory"}
		}
		c, err := s.gui.Client(ctx, d.ClientID)
		if err != nil {
			return flows.Request{}, err
		}
		req := flows.Request{Client: c, Lang: gui.Lang(r, q.Get("lang"), q.Get("ui_locales"), c.Language)}
		req.Directory = flows.Directory{ID: id, Party: d.Directory, ReturnURL: s.gui.URL("azure/" + id + "/callback")}
		req.Return, req.Error, err = s.azureEnds(&req, q.Get("returnUrl"))
		return req, err
	}
	start := s.gui.Jump(gui.Jump{Flow: flows.Azure, Parse: parse, Refuse: gui.Embedded, Leaves: true})
	back := s.gui.Back(gui.Back{Flow: flows.Azure, Parse: parse, Params: []string{"code", "error", "error_subcode", "iss"}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch _, rest, below := strings.Cut(strings.TrimPrefix(r.URL.Path, s.gui.Path("azure/")), "/"); {
		case !below:
			start.ServeHTTP(w, r)
		case rest == "callback":
			back.ServeHTTP(w, r)
		default:
			s.gui.NotFound(w, r)
		}
	})
}

// azureEnds returns the two ends that follow from a returnUrl: callback below its
// path, its query kept, with azureStatus=success or azureStatus=error.
func (s *Server) azureEnds(req *flows.Request, raw string) (success, failure target.URL, err error) {
	u, err := s.gui.Target(req.Client, "returnUrl", raw)
	if err != nil {
		return u, u, err
	}
	below, err := u.Below("callback")
	if err != nil {
		return u, u, &gui.Fault{Param: "returnUrl", Reason: "is refused: with /callback: " + err.Error()}
	}
	// The end itself must be allowed too: our own authorization endpoint is, and
	// what is below it is not.
	if success, err = s.gui.Target(req.Client, "returnUrl", below.With("azureStatus", "success")); err != nil {
		return u, u, err
	}
	failure, err = s.gui.Target(req.Client, "returnUrl", below.With("azureStatus", "error"))
	return success, failure, err
}
