package api

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// respond answers with v in JSON, or in XML when the request prefers that; v has
// the tags of both. It is for the endpoints that could always speak XML, which
// [Config] LegacyXML concerns; the others use reply.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, v any) error {
	contentType, body, err := encode(w, r, v, s.c.LegacyXML)
	if err == nil {
		write(w, r, http.StatusOK, contentType, body)
	}
	return err
}

// reply is respond for endpoints that answer in XML only to those who name it.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, v any) error {
	contentType, body, err := encode(w, r, v, false)
	if err == nil {
		write(w, r, http.StatusOK, contentType, body)
	}
	return err
}

// respondCacheable and replyCacheable are the same for what clients may keep.
func (s *Server) respondCacheable(w http.ResponseWriter, r *http.Request, v any) error {
	contentType, body, err := encode(w, r, v, s.c.LegacyXML)
	if err == nil {
		cacheable(w, r, contentType, body, s.c.CacheFor)
	}
	return err
}

func (s *Server) replyCacheable(w http.ResponseWriter, r *http.Request, v any) error {
	contentType, body, err := encode(w, r, v, false)
	if err == nil {
		cacheable(w, r, contentType, body, s.c.CacheFor)
	}
	return err
}

// encode writes v in the form that the request prefers.
func encode(w http.ResponseWriter, r *http.Request, v any, xmlByDefault bool) (contentType string, body []byte, err error) {
	w.Header().Add("Vary", "Accept")
	if prefersXML(r.Header["Accept"], xmlByDefault) {
		body, err := xml.Marshal(v)
		if err != nil {
			return "", nil, internal(fmt.Errorf("encode the answer: %w", err))
		}
		return "application/xml; charset=utf-8", append([]byte(xml.Header), body...), nil
	}
	body, err = json.Marshal(v)
	if err != nil {
		return "", nil, internal(fmt.Errorf("encode the answer: %w", err))
	}
	return "application/json; charset=utf-8", body, nil
}

// preference is how much an Accept header wants one media type: by the most
// specific range that matches it (RFC 9110, section 12.5.1).
type preference struct {
	quality     int // in thousandths
	specificity int // 3 the type itself, 2 its main type, 1 anything, 0 no match
}

func (p *preference) offer(quality, specificity int) {
	if specificity > p.specificity || specificity == p.specificity && quality > p.quality {
		*p = preference{quality, specificity}
	}
}

// maxRanges is how many media ranges of an Accept header are looked at.
const maxRanges = 50

// prefersXML reports whether XML is to be answered. The higher quality decides,
// then the more specific range, then JSON, unless byDefault makes XML the answer
// to those who named neither. Who accepts neither gets JSON all the same, which
// RFC 9110, section 12.4.1 allows. What is malformed counts as not said.
func prefersXML(accept []string, byDefault bool) bool {
	var forJSON, forXML preference
	n := 0
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			if n++; n > maxRanges {
				break
			}
			mediaRange, quality, ok := parseRange(item)
			if !ok {
				continue
			}
			switch mediaRange {
			case "application/json":
				forJSON.offer(quality, 3)
			case "application/xml", "text/xml":
				forXML.offer(quality, 3)
			case "application/*":
				forJSON.offer(quality, 2)
				forXML.offer(quality, 2)
			case "*/*":
				forJSON.offer(quality, 1)
				forXML.offer(quality, 1)
			}
		}
	}
	switch {
	case forXML.quality != forJSON.quality:
		return forXML.quality > forJSON.quality
	case forXML.quality == 0 && len(accept) > 0 && (forXML.specificity > 0 || forJSON.specificity > 0):
		return false // neither is wanted
	case forXML.specificity != forJSON.specificity:
		return forXML.specificity > forJSON.specificity
	}
	return byDefault && forXML.specificity < 3 && (n == 0 || forXML.specificity > 0)
}

// parseRange reads "type/subtype;q=0.5". Parameters other than q are ignored.
func parseRange(item string) (mediaRange string, quality int, ok bool) {
	mediaRange, params, _ := strings.Cut(item, ";")
	mediaRange = strings.ToLower(strings.Trim(mediaRange, " \t"))
	quality = 1000
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, _ := strings.Cut(strings.Trim(param, " \t"), "=")
		if strings.EqualFold(name, "q") {
			if quality, ok = parseQuality(value); !ok {
				return "", 0, false
			}
			break
		}
	}
	return mediaRange, quality, mediaRange != ""
}

// parseQuality reads a weight (RFC 9110, section 12.4.2): 0 to 1 with at most
// three decimals.
func parseQuality(s string) (int, bool) {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(decimals) > 3 {
		return 0, false
	}
	for _, c := range decimals {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(whole + decimals + "000"[len(decimals):])
	return n, err == nil && n <= 1000
}
