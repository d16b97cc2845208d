package pay

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/internal/texts"
)

// SandboxConfig configures [NewSandbox].
type SandboxConfig struct {
	Provider *sandbox.Provider // required
	Logger   *slog.Logger      // default slog.Default()
}

// sandboxPages are the pages of the sandbox: where a payer types a test card, and a
// frame of the same.
//
// Browsers send no cookies into a frame of another site, so there are none: who
// knows a page's address may pay, and its forms carry a token that is the payment's.
// Nothing of a card is kept or logged.
type sandboxPages struct {
	c       SandboxConfig
	prefix  string // of the path
	origin  string
	origins *http.CrossOriginProtection
	forms   string // where a form may lead, beside the pages themselves
	files   map[string]sandboxFile
	version string
}

type sandboxFile struct {
	kind string
	data []byte
}

//go:embed sandboxfiles
var sandboxFiles embed.FS

var sandboxTemplate = template.Must(template.ParseFS(sandboxFiles, "sandboxfiles/page.html"))

// NewSandbox returns the pages of the sandbox, to be mounted at the path of the
// provider's URL, or all that is wrong with c:
//
//	mux.Handle("/mcpay/sandbox/", pages)
func NewSandbox(c SandboxConfig) (http.Handler, error) {
	if c.Provider == nil {
		return nil, errors.New("pay: missing Provider of the sandbox")
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	u, err := url.Parse(c.Provider.URL())
	if err != nil {
		return nil, fmt.Errorf("pay: address of the sandbox: %w", err)
	}
	s := &sandboxPages{
		c: c, prefix: u.Path + "/", origin: u.Scheme + "://" + u.Host,
		origins: http.NewCrossOriginProtection(), forms: "'self' https:", files: make(map[string]sandboxFile),
	}
	// Browsers check every hop after a post, and the way back leads on to the shop's
	// own site: in development that is some port of this machine.
	if host := u.Hostname(); host == "localhost" || strings.HasSuffix(host, ".localhost") || isLoopbackAddress(host) {
		s.forms += " http://localhost:* http://127.0.0.1:*"
	} else if u.Scheme == "http" {
		s.forms += " http:"
	}
	if err := s.origins.AddTrustedOrigin(s.origin); err != nil {
		return nil, fmt.Errorf("pay: address of the sandbox: %w", err)
	}
	sum := sha256.New()
	for name, kind := range map[string]string{"sandbox.css": "text/css; charset=utf-8", "sandbox.js": "text/javascript; charset=utf-8"} {
		data, err := sandboxFiles.ReadFile("sandboxfiles/" + name)
		if err != nil {
			return nil, err
		}
		s.files[name] = sandboxFile{kind, data}
	}
	for _, name := range []string{"sandbox.css", "sandbox.js"} {
		sum.Write(s.files[name].data)
	}
	s.version = hex.EncodeToString(sum.Sum(nil))[:16]
	return s, nil
}

func isLoopbackAddress(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// ServeHTTP implements [http.Handler].
func (s *sandboxPages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, s.prefix)
	file, isFile := s.files[name]
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	allowed := []string{http.MethodGet, http.MethodHead}
	if !isFile {
		allowed = append(allowed, http.MethodPost)
		s.guard(h, sandbox.Page{})
	}
	switch {
	case !slices.Contains(allowed, r.Method):
		h.Set("Allow", strings.Join(allowed, ", "))
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	case isFile:
		h.Set("Content-Type", file.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // its address has the version
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.data))
	case !ok:
		s.fail(w, r, order.ErrUnknown)
	case r.Method == http.MethodPost:
		s.post(w, r, name)
	default:
		s.get(w, r, name)
	}
}

// guard sets what browsers are told of a page: only the origins of a seamless
// payment may frame it.
func (s *sandboxPages) guard(h http.Header, p sandbox.Page) {
	ancestors, forms := "'none'", s.forms
	if p.Flow == order.Seamless {
		ancestors, forms = strings.Join(p.Origins, " "), "'self'"
		h.Del("X-Frame-Options")
	} else {
		h.Set("X-Frame-Options", "DENY") // browsers without frame-ancestors
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors "+ancestors+"; form-action "+forms)
	h.Set("Referrer-Policy", "same-origin") // the address is all that it takes to pay
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

func (s *sandboxPages) get(w http.ResponseWriter, r *http.Request, id string) {
	p, err := s.c.Provider.Page(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := s.view(p)
	if i := slices.IndexFunc(sandbox.Cards(), func(c sandbox.TestCard) bool { return string(c.Outcome) == r.URL.Query().Get("card") }); i >= 0 {
		v.Card = sandbox.Card{Number: sandbox.Cards()[i].Number, Expiry: time.Now().AddDate(1, 0, 0).Format("01/06"), CVC: "123"}
	}
	s.show(w, r, http.StatusOK, v)
}

// maxSandboxForm is the largest form in bytes.
const maxSandboxForm = 16 << 10

func (s *sandboxPages) post(w http.ResponseWriter, r *http.Request, id string) {
	if err := s.origins.Check(r); err != nil {
		s.refuse(w, r, id, http.StatusForbidden)
		return
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		s.refuse(w, r, id, http.StatusUnsupportedMediaType)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSandboxForm)
	if err := r.ParseForm(); err != nil {
		status := http.StatusBadRequest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		s.refuse(w, r, id, status)
		return
	}
	field := r.PostForm.Get
	e := sandbox.Event{
		Name: sandbox.EventName(field("event")), FormToken: field("token"),
		Card: sandbox.Card{Number: field("number"), Expiry: field("expiry"), CVC: field("cvc")}, Callbacks: sandbox.Callbacks(field("calls")),
	}
	p, err := s.c.Provider.Post(r.Context(), id, e)
	fault, isCard := errors.AsType[*sandbox.CardError](err)
	switch {
	case isCard:
		v := s.view(p)
		v.Card, v.Calls = e.Card, e.Callbacks
		v.Card.CVC = ""
		if fault.Number == sandbox.NoTestCard { // it may be somebody's
			v.Card.Number = ""
		}
		v.addFaults(fault)
		s.show(w, r, http.StatusUnprocessableEntity, v)
	case errors.Is(err, sandbox.ErrForm):
		s.refuse(w, r, id, http.StatusForbidden)
	case errors.Is(err, sandbox.ErrEvent):
		s.refuse(w, r, id, http.StatusBadRequest)
	case err != nil:
		s.fail(w, r, err)
	case p.Leave && p.Flow == order.Redirect:
		http.Redirect(w, r, p.ReturnURL, http.StatusSeeOther)
	default:
		http.Redirect(w, r, s.prefix+p.ID, http.StatusSeeOther)
	}
}

// refuse shows the page as it is, and says that the form did nothing.
func (s *sandboxPages) refuse(w http.ResponseWriter, r *http.Request, id string, status int) {
	p, err := s.c.Provider.Page(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := s.view(p)
	v.Refused = true
	s.show(w, r, status, v)
}

// fail answers for a page that there is not, or an outage.
func (s *sandboxPages) fail(w http.ResponseWriter, r *http.Request, err error) {
	v := s.view(sandbox.Page{Lang: texts.Match(r.Header.Get("Accept-Language"))})
	v.Missing = errors.Is(err, order.ErrUnknown)
	v.Outage = !v.Missing
	status := http.StatusNotFound
	if v.Outage {
		status = http.StatusServiceUnavailable
		s.c.Logger.ErrorContext(r.Context(), "sandbox: page failed", "err", err)
	}
	s.show(w, r, status, v)
}

func (s *sandboxPages) show(w http.ResponseWriter, r *http.Request, status int, v *sandboxView) {
	var page bytes.Buffer
	if err := sandboxTemplate.ExecuteTemplate(&page, "page", v); err != nil {
		s.c.Logger.ErrorContext(r.Context(), "sandbox: template failed", "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	s.guard(h, v.Page)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", fmt.Sprint(page.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, &page) // a browser that is gone needs no page
	}
}
