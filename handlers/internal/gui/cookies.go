package gui

import (
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows"
)

// cookieNames are the names of the kit's cookies. On https they have the
// __Host- prefix: no other host can set them.
type cookieNames struct {
	session  string
	check    string // for embedded login checks; "" on plain http
	browser  string // binds runs to a browser
	device   string // says whose logins the browser has seen
	rmPrefix string // of the rememberMeCookies, one for each client
}

func (g *GUI) names(kit string) cookieNames {
	host := ""
	if g.secure {
		host = "__Host-"
	}
	n := cookieNames{
		session: host + kit + "-session", browser: host + kit + "-browser",
		device: host + kit + "-device", rmPrefix: host + kit + "-rm-",
	}
	if g.secure {
		n.check = "__Secure-" + kit + "-check" // its Path is not "/", as __Host- would demand
	}
	return n
}

// remember returns the name of a client's rememberMeCookie.
func (n cookieNames) remember(clientID string) string {
	sum := sha256.Sum256([]byte(clientID))
	return n.rmPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

const maxRemember = 40 // rememberMeCookies of one browser

// jar is the Cookie headers of a request. [http.Request.Cookies] would parse and
// allocate every cookie of the site to find one.
type jar []string

func readCookies(r *http.Request) jar { return r.Header["Cookie"] }

// all lists names and values, in the order in which they were sent (RFC 6265,
// section 4.2.1).
func (j jar) all(yield func(name, value string) bool) {
	for _, line := range j {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			name, value, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if ok && !yield(name, value) {
				return
			}
		}
	}
}

// get returns the value of the first cookie of that name, or "".
func (j jar) get(name string) string {
	for n, v := range j.all {
		if n == name {
			return v
		}
	}
	return ""
}

// remember returns the value of the client's rememberMeCookie, or "".
func (j jar) remember(names cookieNames, clientID string) string {
	for n := range j.all {
		if strings.HasPrefix(n, names.rmPrefix) {
			return j.get(names.remember(clientID))
		}
	}
	return ""
}

// plausible reports whether a browser cookie could be one of ours.
func plausible(id string) bool { return len(id) >= 20 && len(id) <= 64 }

// set sets a cookie that only we can read; maxAge 0 keeps it as long as the
// browser runs, a negative one removes it.
func (g *GUI) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: g.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// setCheck sets the narrow cookie that other sites' requests carry.
func (g *GUI) setCheck(w http.ResponseWriter, value string, maxAge int) {
	if g.cookies.check == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: g.cookies.check, Value: value, Path: g.prefix + "loginCheck", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
	})
}

// apply gives the browser what came of the run.
func (g *GUI) apply(w http.ResponseWriter, r *http.Request, run *flows.Run) error {
	e := run.Effects
	if e.Session.Session != "" {
		sealed, err := g.session.Seal(g.cookies.session, []byte(e.Session.Session))
		if err != nil {
			return err
		}
		g.set(w, g.cookies.session, sealed, 0)
		g.setCheck(w, e.Session.Check, 0)
		g.csrf.Renew(w, r)
	}
	if e.LogOut {
		g.set(w, g.cookies.session, "", -1)
		g.setCheck(w, "", -1)
		// The next user of a shared computer must not get the end of a run of
		// this one again.
		g.set(w, g.cookies.browser, "", -1)
	}
	if e.Device != "" {
		g.set(w, g.cookies.device, e.Device, seconds(g.life.Device))
	}
	switch {
	case e.Remember != "":
		own := g.cookies.remember(run.Request.Client.ID)
		g.set(w, own, e.Remember, seconds(g.life.RememberIdle))
		g.dropOldest(w, r, own)
	case e.Forget:
		g.set(w, g.cookies.remember(run.Request.Client.ID), "", -1)
	}
	return nil
}

// dropOldest removes rememberMeCookies beyond [maxRemember]. Browsers send the
// oldest first (RFC 6265, section 5.4).
func (g *GUI) dropOldest(w http.ResponseWriter, r *http.Request, own string) {
	var others []string
	for name := range readCookies(r).all {
		if strings.HasPrefix(name, g.cookies.rmPrefix) && name != own {
			others = append(others, name)
		}
	}
	for len(others) >= maxRemember {
		g.set(w, others[0], "", -1)
		others = others[1:]
	}
}

// agentName makes a short name of a User-Agent, for the user's list of devices.
func agentName(ua string) string {
	name, system := "", ""
	for _, k := range [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(ua, k[0]) {
			name = k[1]
			break
		}
	}
	for _, k := range [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(ua, k[0]) {
			system = k[1]
			break
		}
	}
	return strings.TrimSpace(name + " " + system)
}
