package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// cacheable is a response that the client may keep for a while (ConnectID,
// "About the Client Mode"). It carries an ETag, and is 304 to those who have it
// already (RFC 9110, section 13.1.2).
func cacheable(w http.ResponseWriter, r *http.Request, contentType string, body []byte, age time.Duration) {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("Cache-Control", "private, max-age="+strconv.FormatInt(int64(age/time.Second), 10))
	h.Add("Vary", "Authorization") // each client has answers of its own
	h.Set("ETag", tag)
	if holds(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, r, http.StatusOK, contentType, body)
}

// holds reports whether an If-None-Match header names the tag, by the weak
// comparison (RFC 9110, section 8.8.3.2).
func holds(lines []string, tag string) bool {
	for _, line := range lines {
		if strings.TrimSpace(line) == "*" {
			return true
		}
		for line != "" {
			line = strings.TrimLeft(line, " \t,")
			line = strings.TrimPrefix(line, "W/")
			if !strings.HasPrefix(line, `"`) {
				break // malformed: what follows counts as not said
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == tag {
				return true
			}
			line = line[end+2:]
		}
	}
	return false
}
