package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Stage is where an endpoint stands in its life (ConnectID, "API-lifecycle").
type Stage int

// The stages, in their order.
const (
	StageProposed          Stage = iota // defined; found nowhere yet
	StageInTest                         // found in the test environment
	StageInProduction                   // found everywhere
	StageDeprecated                     // not to be used in future development; by default for 180 days
	StageDeprecatedWarning              // gone in 30 days
	StageReadyForSunset                 // gone in 10 days
	StageSunset                         // gone
)

// String returns the documents' own words.
func (s Stage) String() string {
	words := [...]string{"Proposed", "In Test", "In Production", "Deprecated", "Deprecated Warning", "Ready for sunset", "Sunset"}
	if s < 0 || int(s) >= len(words) {
		return "stage " + strconv.Itoa(int(s))
	}
	return words[s]
}

const (
	day = 24 * time.Hour
	// deprecation is how long an endpoint is deprecated before it goes.
	deprecation = 180 * day
	warning     = 30 * day
	lastCall    = 10 * day
)

// Lifecycle says when an endpoint enters the stages of its life. The zero value is
// an endpoint in production that stays. Times count in whole seconds, as the
// headers do that tell of them.
type Lifecycle struct {
	// Test is from when the endpoint is found in the test environment. Before, it
	// is proposed. Zero: it always was.
	Test time.Time
	// Production is from when it is found everywhere, not before Test. Zero: it
	// always was; where Test is set, it is not known yet.
	Production time.Time
	// Deprecated is from when nobody should begin to use the endpoint; default:
	// 180 days before Sunset. A time in the future is announced in the headers,
	// and is not a stage yet.
	Deprecated time.Time
	// Sunset is from when the endpoint is gone; default: 180 days after
	// Deprecated. Both zero: the endpoint stays.
	Sunset time.Time
	// Successor is the address of what takes the endpoint's place, absolute or a
	// path on the same host. Default: none.
	Successor string
	// Notice is the address of a page that tells developers what to do, absolute or
	// a path on the same host. Default: none.
	Notice string
}

// withDefaults returns l with both of Deprecated and Sunset, or none.
func (l Lifecycle) withDefaults() (Lifecycle, error) {
	for _, t := range []*time.Time{&l.Test, &l.Production, &l.Deprecated, &l.Sunset} {
		if !t.IsZero() {
			*t = time.Unix(t.Unix(), 0).UTC()
		}
	}
	if l.Deprecated.IsZero() && !l.Sunset.IsZero() {
		l.Deprecated = l.Sunset.Add(-deprecation)
	}
	if l.Sunset.IsZero() && !l.Deprecated.IsZero() {
		l.Sunset = l.Deprecated.Add(deprecation)
	}
	var errs []error
	inOrder := func(first, then string, a, b time.Time) {
		if !a.IsZero() && !b.IsZero() && b.Before(a) {
			errs = append(errs, fmt.Errorf("bad %s %s: want it after %s, %s", then, b.Format(time.RFC3339), first, a.Format(time.RFC3339)))
		}
	}
	inOrder("Test", "Production", l.Test, l.Production)
	inOrder("Production", "Deprecated", l.Production, l.Deprecated)
	inOrder("Deprecated", "Sunset", l.Deprecated, l.Sunset) // RFC 9745, section 4
	if !l.Test.IsZero() && l.Production.IsZero() && !l.Deprecated.IsZero() {
		errs = append(errs, errors.New("missing Production: what goes away was there before"))
	}
	for _, link := range []struct{ field, address string }{{"Successor", l.Successor}, {"Notice", l.Notice}} {
		if err := checkLink(link.address); err != nil {
			errs = append(errs, fmt.Errorf("bad %s %q: %w", link.field, link.address, err))
		}
	}
	return l, errors.Join(errs...)
}

// Stage returns the stage that the endpoint is in at a time.
func (l Lifecycle) Stage(at time.Time) Stage {
	l, _ = l.withDefaults() // the faults are told at start-up
	return l.stage(at)
}

// stage is Stage of a Lifecycle with its defaults.
func (l Lifecycle) stage(at time.Time) Stage {
	switch {
	case at.Before(l.Test):
		return StageProposed
	case at.Before(l.Production), l.Production.IsZero() && !l.Test.IsZero():
		return StageInTest
	case l.Sunset.IsZero(), at.Before(l.Deprecated):
		return StageInProduction
	case at.Before(l.Sunset.Add(-warning)):
		return StageDeprecated
	case at.Before(l.Sunset.Add(-lastCall)):
		return StageDeprecatedWarning
	case at.Before(l.Sunset):
		return StageReadyForSunset
	}
	return StageSunset
}

// header returns what answers say of the end of the endpoint.
func (l Lifecycle) header() http.Header {
	h := http.Header{}
	if !l.Sunset.IsZero() {
		// RFC 9745, section 2.1: a Date of structured fields (RFC 9651, section
		// 3.3.7), "@" and seconds.
		h.Set("Deprecation", "@"+strconv.FormatInt(l.Deprecated.Unix(), 10))
		// RFC 8594, section 3: an HTTP-date.
		h.Set("Sunset", l.Sunset.Format(http.TimeFormat))
		if l.Notice != "" {
			// One page serves both relations: RFC 9745, section 3, and RFC 8594,
			// section 6.
			h.Add("Link", "<"+l.Notice+`>; rel="deprecation"`)
			h.Add("Link", "<"+l.Notice+`>; rel="sunset"`)
		}
	}
	if l.Successor != "" {
		h.Add("Link", "<"+l.Successor+`>; rel="successor-version"`) // RFC 5829
	}
	return h
}

// checkLink refuses what may not stand in a Link header between < and > (RFC
// 8288, section 3), and what no client could follow.
func checkLink(address string) error {
	if address == "" {
		return nil
	}
	if strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("<>\"\\^`{|}", c) }) {
		return errors.New("want an address with all else percent-encoded")
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return err
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(address, "/"):
		return nil
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil:
		return errors.New("want an http or https address, or a path that begins with one slash")
	}
	return nil
}
