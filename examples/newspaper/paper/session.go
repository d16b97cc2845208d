package paper

import (
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"golang.org/x/oauth2"
)

// session is what the newspaper knows of a browser. It lives in an encrypted
// cookie: the newspaper needs no database.
type session struct {
	Token      *oauth2.Token `json:"token,omitempty"` // nil for an anonymous reader
	Name       string        `json:"name,omitempty"`
	Credential string        `json:"credential,omitempty"`
	CheckedAt  time.Time     `json:"checked"`          // when loginCheck last answered
	Landed     bool          `json:"landed,omitempty"` // it has answered just now: don't ask again for this page
}

// attempt is one login that is under way. Each has a cookie of its own, so that
// two tabs can log in at the same time.
type attempt struct {
	State    string `json:"state"`    // random text, a dot and the page where the reader was
	Verifier string `json:"verifier"` // RFC 7636, section 4.1
}

const (
	sessionLifetime = 12 * time.Hour
	attemptLifetime = 30 * time.Minute
)

// jar reads and writes the newspaper's cookies.
type jar struct {
	prefix string // two newspapers on one host must not share names: cookies ignore ports
	secure bool
	codec  *securecookie.SecureCookie
}

func newJar(slug string, secure bool, hashKey, blockKey []byte) *jar {
	prefix := slug + "-"
	if secure {
		prefix = "__Host-" + prefix
	}
	codec := securecookie.New(hashKey, blockKey).MaxAge(int(sessionLifetime.Seconds()))
	codec.SetSerializer(securecookie.JSONEncoder{})
	return &jar{prefix: prefix, secure: secure, codec: codec}
}

func (j *jar) get(r *http.Request, name string, into any) bool {
	c, err := r.Cookie(j.prefix + name)
	return err == nil && j.codec.Decode(j.prefix+name, c.Value, into) == nil
}

func (j *jar) set(w http.ResponseWriter, name string, value any, lifetime time.Duration) error {
	sealed, err := j.codec.Encode(j.prefix+name, value)
	if err != nil {
		return err
	}
	j.write(w, name, sealed, int(lifetime.Seconds()))
	return nil
}

func (j *jar) drop(w http.ResponseWriter, name string) { j.write(w, name, "", -1) }

func (j *jar) write(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: j.prefix + name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: j.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (p *Paper) session(r *http.Request) *session {
	s := &session{}
	if !p.cookies.get(r, "session", s) {
		return &session{}
	}
	return s
}

func (p *Paper) save(w http.ResponseWriter, s *session) error {
	return p.cookies.set(w, "session", s, sessionLifetime)
}
