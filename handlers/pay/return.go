package pay

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/internal/texts"
	"github.com/connectid-kit/connectid/middleware"
)

var (
	//go:embed wait.html
	waitHTML string
	//go:embed wait.css
	waitCSS      string
	waitTemplate = template.Must(template.New("wait").Parse(waitHTML))
)

// waitPolicy allows the page its own styles and nothing else.
var waitPolicy = func() string {
	sum := sha256.Sum256([]byte(waitCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// maxWaits is how often the page looks by itself: some five minutes. Whatever comes
// later the reconcile job takes care of.
const maxWaits = 70

// waitPage is what a payer sees who has come back before the outcome is known, or
// whose address leads nowhere.
type waitPage struct {
	Lang, Title, Text, Again string
	Next                     string // leads to this page once more; empty for not at all
	Style                    template.CSS
}

// comeBack serves return/{sealed}, where payers come back to from the provider.
func (s *Server) comeBack(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", waitPolicy)
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost: // some providers post their payers back
	default:
		h.Set("Allow", "GET, HEAD, POST")
		s.page(w, r, http.StatusMethodNotAllowed, "script.gone.title", "script.gone.text", "")
		return
	}
	// The address is a secret that ends here: the next page need not learn it.
	address, err := "", count(r.Context(), h, s.addresses, s.c.Addresses.KeyOf(r))
	if err == nil {
		address, err = s.c.Payments.ScriptReturn(r.Context(), r.PathValue("sealed"))
	}
	waits, _ := strconv.Atoi(r.URL.Query().Get("waits")) // a bad one is the first
	waits = min(max(waits, 0), maxWaits) + 1
	next := fmt.Sprintf("?waits=%d", waits)
	switch {
	case errors.Is(err, order.ErrNotFound):
		s.page(w, r, http.StatusNotFound, "script.gone.title", "script.gone.text", "")
	case errors.Is(err, middleware.ErrLimited):
		h.Set("Refresh", "20; url="+next)
		s.page(w, r, http.StatusTooManyRequests, "script.wait.title", "script.wait.text", next)
	case err != nil:
		s.c.Logger.ErrorContext(context.WithoutCancel(r.Context()), "a payer's way back failed", "err", err)
		h.Set("Retry-After", "5")
		h.Set("Refresh", "5; url="+next)
		s.page(w, r, http.StatusServiceUnavailable, "script.wait.title", "script.wait.text", next)
	case address != "":
		h.Set("Location", address)
		w.WriteHeader(http.StatusSeeOther)
	case waits > maxWaits:
		s.page(w, r, http.StatusOK, "script.late.title", "script.late.text", "?waits=0")
	default:
		h.Set("Refresh", fmt.Sprintf("%d; url=%s", min(waits, 5), next))
		s.page(w, r, http.StatusOK, "script.wait.title", "script.wait.text", next)
	}
}

func (s *Server) page(w http.ResponseWriter, r *http.Request, status int, title, text texts.ID, next string) {
	lang := texts.Match(r.Header.Get("Accept-Language"))
	var b bytes.Buffer
	err := waitTemplate.Execute(&b, waitPage{
		Lang: lang, Title: texts.Get(lang, title), Text: texts.Get(lang, text), Again: texts.Get(lang, "script.wait.again"),
		Next: next, Style: template.CSS(waitCSS),
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Language", lang)
	w.Header().Add("Vary", "Accept-Language")
	write(w, r, status, "text/html; charset=utf-8", b.Bytes())
}
