package handlers

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"github.com/connectid-kit/connectid/flows"
	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/handlers/internal/gui"
	"github.com/connectid-kit/connectid/store"
)

// Merge serves mergeUrl (ConnectID: "URL: merge").
func (s *Server) Merge() http.Handler {
	return s.gui.Handler(gui.Page{Path: "merge", Flow: flows.Merge, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		if err != nil {
			return req, err
		}
		req.Credential = "" // this URL has no such parameter
		if abort := q.Get("abortUrl"); abort != "" {
			if req.Abort, err = s.gui.Target(req.Client, "abortUrl", abort); err != nil {
				return req, err
			}
		}
		req.Heading = heading(q.Get("heading"))
		switch kind := store.CredentialKind(q.Get("credentialType")); kind {
		case "", store.Email, store.Phone:
			req.CredentialKind = kind
		default:
			return req, &gui.Fault{Param: "credentialType", Reason: "must be A or B"}
		}
		return req, nil
	}})
}

// Unmerge serves the link by which a merge is undone. It stands in the notices.
func (s *Server) Unmerge() http.Handler {
	return s.gui.Handler(gui.Page{Path: "unmerge", Flow: flows.Unmerge, Parse: func(ctx context.Context, r *http.Request, q gui.Params) (flows.Request, error) {
		req, err := s.request(ctx, r, q)
		req.Undo = account.UndoLink{ID: q.Get("merge"), Token: q.Get("token")}
		return req, err
	}})
}

// maxHeading is the longest heading, in code points.
const maxHeading = 80

// heading returns a caller's heading as one line of text, without what does not
// show, at most 80 characters long.
func heading(raw string) string {
	raw = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c): // controls, and marks that turn the direction of text
			return -1
		}
		return c
	}, strings.ToValidUTF8(raw, ""))
	runes := []rune(strings.Join(strings.Fields(raw), " "))
	return strings.TrimSpace(string(runes[:min(len(runes), maxHeading)]))
}
