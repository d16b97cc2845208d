package paper

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
)

var pageNames = []string{"front", "article", "me", "embedded", "message", "subscribe", "pay", "receipt"}

func parseTemplates(e *Edition) (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	for _, name := range pageNames {
		t, err := template.New("layout.html").Funcs(template.FuncMap{"t": e.Text}).
			ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

// view is what a template sees.
type view struct {
	Edition       *Edition
	Session       *session
	Title         string
	Page          string // the path of this page, to come back to
	Article       Article
	Whole         bool // the reader may read the whole article
	Lead          Article
	Rest          []Article
	Profile       profile
	Reset         string   // resetPassword at the login server
	Register      string   // register at the login server
	Membership    string   // activateMembership at the login server
	Subscriptions []string // what the reader subscribes to
	Company       string   // azure at the login server; empty for none
	Merge         string   // merge at the login server
	Account       string   // My account there
	Key           string   // of a message
	Secure        bool
	Offers        []offer
	Purchase      purchase
	Fault         string // a key of the edition's texts
	Script        bool   // it can be paid for by the payment script
	ClientID      string // for the payment script, with the next two
	PayServer     string
	ScriptURL     string
	Receipt       receipt
	CheckURL      string
	AjaxURL       string
}

func (p *Paper) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) {
	v.Edition = p.Edition
	if v.Session == nil {
		v.Session = p.session(r)
	}
	var buf bytes.Buffer
	if err := p.templates[name].Execute(&buf, v); err != nil {
		p.Logger.ErrorContext(r.Context(), "render", "page", name, "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := buf.WriteTo(w); err != nil {
		p.Logger.DebugContext(r.Context(), "write", "err", err)
	}
}

func (p *Paper) front(w http.ResponseWriter, r *http.Request, s *session) {
	p.list(w, r, s, p.Edition.Name, p.Edition.Articles)
}

func (p *Paper) section(w http.ResponseWriter, r *http.Request, s *session) {
	name := r.PathValue("name")
	var articles []Article
	for _, a := range p.Edition.Articles {
		if a.Section == name {
			articles = append(articles, a)
		}
	}
	if len(articles) == 0 {
		p.notFound(w, r)
		return
	}
	p.list(w, r, s, name, articles)
}

func (p *Paper) list(w http.ResponseWriter, r *http.Request, s *session, title string, articles []Article) {
	p.render(w, r, http.StatusOK, "front", view{Session: s, Title: title, Page: p.known(r.URL.Path), Lead: articles[0], Rest: articles[1:]})
}

// article shows a story. The whole of a locked one is for readers whom the API
// lets read it: neither a cookie nor a login alone opens anything.
func (p *Paper) article(w http.ResponseWriter, r *http.Request, s *session) {
	a, ok := p.Edition.Article(r.PathValue("slug"))
	if !ok {
		p.notFound(w, r)
		return
	}
	v := view{Session: s, Title: a.Title, Page: p.known(r.URL.Path), Article: a, Whole: !a.Locked, Rest: p.others(a)}
	if a.Locked && s.Token != nil {
		if _, ok := p.whoIs(w, r, s); !ok {
			return
		}
		if s.Token != nil {
			may, err := p.mayRead(r.Context(), s, a.Slug)
			switch {
			case errors.Is(err, errLoggedOut): // since a moment ago
				*s = session{CheckedAt: s.CheckedAt}
			case err != nil:
				p.fail(w, r, err)
				return
			}
			v.Whole = may
		}
		if !v.Whole && s.Token != nil {
			q := url.Values{"clientId": {p.ClientID}, "returnUrl": {p.Base + v.Page}, "errorUrl": {p.Base + v.Page}, "lang": {p.Edition.Lang}}
			v.Register = p.LoginServer + "/register?" + q.Encode()
		}
	}
	p.render(w, r, http.StatusOK, "article", v)
}

// others returns three articles that are not a.
func (p *Paper) others(a Article) []Article {
	var rest []Article
	for _, b := range p.Edition.Articles {
		if b.Slug != a.Slug && len(rest) < 3 {
			rest = append(rest, b)
		}
	}
	return rest
}

// whoIs asks the API for the reader's profile and keeps a refreshed token. When
// the token is not taken any more, s has none afterwards. It returns false when
// the request is answered already.
func (p *Paper) whoIs(w http.ResponseWriter, r *http.Request, s *session) (profile, bool) {
	before := s.Token
	who, err := p.profile(r.Context(), s)
	switch {
	case errors.Is(err, errLoggedOut):
		*s = session{CheckedAt: s.CheckedAt}
	case err != nil:
		p.fail(w, r, err)
		return profile{}, false
	}
	if s.Token != before {
		if err := p.save(w, s); err != nil {
			p.fail(w, r, err)
			return profile{}, false
		}
	}
	return who, true
}

func (p *Paper) me(w http.ResponseWriter, r *http.Request, s *session) {
	if s.Token == nil {
		p.authorize(w, r, "/me")
		return
	}
	who, ok := p.whoIs(w, r, s)
	if !ok {
		return
	}
	if s.Token == nil {
		p.authorize(w, r, "/me")
		return
	}
	q := url.Values{"clientId": {p.ClientID}, "returnUrl": {p.Base + "/me"}, "errorUrl": {p.Base + "/me"}, "lang": {p.Edition.Lang}}
	subscriptions, err := p.subscriptions(r.Context(), s)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := view{
		Session: s, Title: p.Edition.Text("meHeading"), Profile: who, Subscriptions: subscriptions,
		Reset:      p.LoginServer + "/resetPassword?" + q.Encode(),
		Register:   p.LoginServer + "/register?" + q.Encode(),
		Membership: p.LoginServer + "/activateMembership?" + q.Encode(),
		Account:    p.LoginServer + "/account?" + q.Encode(),
	}
	q.Set("abortUrl", p.Base+"/me")
	v.Merge = p.LoginServer + "/merge?" + q.Encode()
	if p.Directory != "" {
		v.Company = p.LoginServer + "/azure/" + url.PathEscape(p.Directory) + "?" + url.Values{"returnUrl": {p.Base + "/me"}}.Encode()
	}
	p.render(w, r, http.StatusOK, "me", v)
}

// registered is where azure comes back to: /callback below the returnUrl. What it
// says is for the reader only; what she may read is the API's to say.
func (p *Paper) registered(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("azureStatus") == "success" {
		p.message(w, r, http.StatusOK, "companyDone", "/me")
		return
	}
	p.message(w, r, http.StatusOK, "companyFailed", "/me")
}

// message shows one of the edition's messages: key+"Heading" and key+"Text".
func (p *Paper) message(w http.ResponseWriter, r *http.Request, status int, key, page string) {
	p.render(w, r, status, "message", view{Title: p.Edition.Text(key + "Heading"), Key: key, Page: page})
}

// fail is the only place that turns unexpected errors into answers: a reader is
// never let in because a server did not answer.
func (p *Paper) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.failAt(w, r, p.known(r.URL.Path), err)
}

// failAt is [Paper.fail] where the page to come back to is not the request's.
func (p *Paper) failAt(w http.ResponseWriter, r *http.Request, page string, err error) {
	p.Logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "err", err)
	w.Header().Set("Retry-After", "10")
	p.message(w, r, http.StatusServiceUnavailable, "outage", page)
}

func (p *Paper) notFound(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusNotFound, "notFound", "/")
}

func (p *Paper) loggedOut(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusOK, "loggedOut", "/")
}

func (p *Paper) terms(w http.ResponseWriter, r *http.Request) {
	p.message(w, r, http.StatusOK, "terms", "/")
}

// static serves the style sheet, the script and the drawings.
func (p *Paper) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	var body []byte
	var err error
	switch art, ok := strings.CutSuffix(name, ".svg"); {
	case ok:
		body, err = p.Edition.drawing(art)
	case name == "edition.css":
		body, err = files.ReadFile("editions/" + p.Edition.Slug + "/edition.css")
	default:
		body, err = files.ReadFile("static/" + name)
	}
	if err != nil {
		p.notFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "max-age=300")
	if _, err := w.Write(body); err != nil {
		p.Logger.DebugContext(r.Context(), "write", "err", err)
	}
}

// embedded is the page that asks loginCheck from scripts.
func (p *Paper) embedded(w http.ResponseWriter, r *http.Request) {
	check := func(yes, no string) string {
		q := url.Values{"clientId": {p.ClientID}, "returnUrl": {p.Base + "/embedded/" + yes}, "errorUrl": {p.Base + "/embedded/" + no}}
		return p.LoginServer + "/loginCheck?" + q.Encode()
	}
	p.render(w, r, http.StatusOK, "embedded", view{
		Title: p.Edition.Text("embeddedHeading"), Secure: strings.HasPrefix(p.Base, "https:"),
		AjaxURL: check("yes.json", "no.json"), CheckURL: check("yes.js", "no.js"),
	})
}

// embeddedAnswer is where embedded login checks are redirected back to. After
// the login server's redirect the browser sends "Origin: null" (Fetch standard,
// "HTTP-redirect fetch"), so that is the origin to allow. The answer holds no
// more than the question's yes or no, which makes that harmless.
func (p *Paper) embeddedAnswer(w http.ResponseWriter, r *http.Request) {
	answer := r.PathValue("answer")
	loggedIn := strings.HasPrefix(answer, "yes.")
	if o := r.Header.Get("Origin"); o == "null" || o == p.Base {
		w.Header().Set("Access-Control-Allow-Origin", o)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Add("Vary", "Origin")
	}
	var body, kind string
	switch answer {
	case "yes.json", "no.json":
		kind, body = "application/json", fmt.Sprintf(`{"loggedIn": %t}`, loggedIn)
	case "yes.js", "no.js":
		kind, body = "text/javascript; charset=utf-8", fmt.Sprintf("window.connectidLoggedIn = %t;\n", loggedIn)
	default:
		p.notFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	if _, err := w.Write([]byte(body)); err != nil {
		p.Logger.DebugContext(r.Context(), "write", "err", err)
	}
}
