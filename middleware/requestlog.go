package middleware

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// RequestLogConfig configures a [RequestLog].
type RequestLogConfig struct {
	Logger *slog.Logger // default slog.Default()
	// Addresses, when set, adds the key of the client's address, which for IPv6
	// is its /64.
	Addresses *Addresses
}

// RequestLog writes one line per request: method, path, status, bytes and
// duration. Never the query, a header, a cookie or a body, as codes, tokens,
// e-mail addresses and phone numbers travel there.
type RequestLog struct {
	c RequestLogConfig
}

// NewRequestLog returns a request log.
func NewRequestLog(c RequestLogConfig) *RequestLog {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &RequestLog{c: c}
}

// Handler logs each request when next is done with it, at level Info, and at
// level Error when the answer was 500 or more. A panic is logged as 500 and goes
// on to the server.
func (l *RequestLog) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		done := false
		// Taken now: inner handlers may change the request.
		method, path := shorten(r.Method, 16), shorten(r.URL.Path, 200)
		defer func() {
			status := rec.status
			switch {
			case status == 0 && !done:
				status = http.StatusInternalServerError
			case status == 0:
				status = http.StatusOK // what net/http sends when nothing was written
			}
			attrs := []slog.Attr{
				slog.String("method", method), slog.String("path", path), slog.Int("status", status),
				slog.Int64("bytes", rec.bytes), slog.Duration("duration", time.Since(start)),
			}
			if l.c.Addresses != nil {
				attrs = append(attrs, slog.String("address", l.c.Addresses.KeyOf(r)))
			}
			level := slog.LevelInfo
			if status >= 500 {
				level = slog.LevelError
			}
			// The request's context may have ended; the line is written all the same.
			l.c.Logger.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
		}()
		next.ServeHTTP(rec, r)
		done = true
	})
}

// shorten bounds what a client can put into a line, and replaces what could
// break one.
func shorten(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == 0x2028 || c == 0x2029 {
			return '�'
		}
		return c
	}, strings.ToValidUTF8(s, "�"))
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap is for [http.ResponseController]: flushing and deadlines reach the
// server's own writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx comes before the answer
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}
