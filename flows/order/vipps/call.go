package vipps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// maxBody bounds what is read of an answer.
const maxBody = 1 << 20

// statusError is an answer that is no success. It holds nothing of what was asked.
type statusError struct {
	method, path string
	status       int
	reason       string // by the problem's type and title (RFC 7807)
}

// Error implements error.
func (e *statusError) Error() string {
	return fmt.Sprintf("vipps: %s %s: status %d %s", e.method, e.path, e.status, e.reason)
}

// refused reports whether err is the answer of somebody who will not do it. Others
// are outages: wrong keys (401), time-outs, conflicts with what is going on, limits.
func refused(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	if !ok {
		return false
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status == status
}

// call makes a call of the APIs, with a fresh token if the one at hand is not taken.
// in is the JSON of a request, out that of an answer; each may be nil.
func (p *Provider) call(ctx context.Context, method, path, key string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("vipps: %w", err)
		}
	}
	stale := ""
	for {
		token, err := p.tokens.get(ctx, stale)
		if err != nil {
			return fmt.Errorf("vipps: get an access token: %w", err)
		}
		header := http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}}
		if key != "" {
			header.Set("Idempotency-Key", key)
		}
		err = p.send(ctx, method, path, header, body, out)
		if stale == "" && hasStatus(err, http.StatusUnauthorized) {
			stale = token // once: a second refusal is about the keys
			continue
		}
		return err
	}
}

// send makes one call.
func (p *Provider) send(ctx context.Context, method, path string, header http.Header, body []byte, out any) error {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, p.base.JoinPath(path).String(), in)
	if err != nil {
		return fmt.Errorf("vipps: %w", err)
	}
	r.Header = header
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	// Knowledge base, "HTTP headers".
	r.Header.Set("Ocp-Apim-Subscription-Key", p.c.SubscriptionKey)
	r.Header.Set("Merchant-Serial-Number", p.c.MerchantSerialNumber)
	r.Header.Set("Vipps-System-Name", p.c.SystemName)
	r.Header.Set("Vipps-System-Version", p.c.SystemVersion)
	r.Header.Set("Vipps-System-Plugin-Name", p.c.PluginName)
	r.Header.Set("Vipps-System-Plugin-Version", p.c.PluginVersion)
	r.Header.Set("User-Agent", "connectid")
	w, err := p.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address
		}
		return fmt.Errorf("vipps: %s %s: %w", method, path, err)
	}
	defer w.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(w.Body, maxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("vipps: %s %s: read the answer: %w", method, path, err)
	case len(answer) > maxBody:
		return fmt.Errorf("vipps: %s %s: the answer is too large", method, path)
	case w.StatusCode < 200 || w.StatusCode > 299:
		return &statusError{method, path, w.StatusCode, reasonOf(answer)}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("vipps: %s %s: the answer is no such JSON", method, path)
	}
	return nil
}

// reasonOf says what a problem is, by what does not name the payer: the end of its
// type, its title, and where Vipps finds it in its logs.
func reasonOf(body []byte) string {
	var problem struct {
		Type      string `json:"type"`
		Title     string `json:"title"`
		TraceID   string `json:"traceId"`
		ContextID string `json:"contextId"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return ""
	}
	if i := strings.LastIndexAny(problem.Type, "#/"); i >= 0 {
		problem.Type = problem.Type[i+1:]
	}
	return fmt.Sprintf("%q %q %q", text(64, problem.Type), text(64, problem.Title), text(64, problem.TraceID, problem.ContextID))
}

// seconds is a number that the access token API writes as a string.
type seconds int64

// UnmarshalJSON implements [json.Unmarshaler].
func (s *seconds) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*s = seconds(n)
	return err
}

// fetchToken asks for an access token (access token API, POST /accesstoken/get).
func (p *Provider) fetchToken(ctx context.Context) (token, error) {
	ctx, cancel := context.WithTimeout(ctx, p.http.Timeout)
	defer cancel()
	// These two are documented in small letters, with underlines.
	header := http.Header{"client_id": {p.c.ClientID}, "client_secret": {p.c.ClientSecret}, "Accept": {"application/json"}}
	var answer struct {
		Type    string  `json:"token_type"`
		Expires seconds `json:"expires_in"`
		Token   string  `json:"access_token"`
	}
	asked := p.now()
	if err := p.send(ctx, http.MethodPost, "/accesstoken/get", header, nil, &answer); err != nil {
		return token{}, err
	}
	switch {
	case answer.Token == "" || len(answer.Token) > 16<<10 || strings.ContainsFunc(answer.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return token{}, errors.New("vipps: the answer has no access token")
	case !strings.EqualFold(answer.Type, "Bearer"):
		return token{}, errors.New("vipps: the access token is no bearer token")
	case answer.Expires <= 0 || answer.Expires > 7*86400:
		return token{}, fmt.Errorf("vipps: the access token expires in %d seconds", answer.Expires)
	}
	life := time.Duration(answer.Expires) * time.Second
	return token{value: answer.Token, renewAt: asked.Add(life - min(5*time.Minute, life/4)), ends: asked.Add(life - min(30*time.Second, life/8))}, nil
}

// unknown makes the answer that there is no such thing an [order.ErrUnknown].
func unknown(err error) error {
	if hasStatus(err, http.StatusNotFound) {
		return fmt.Errorf("%w: %w", order.ErrUnknown, err)
	}
	return err
}

// begun makes a refusal to begin something an [order.ErrRefused].
func begun(err error) error {
	if refused(err) {
		return fmt.Errorf("%w: %w", order.ErrRefused, err)
	}
	return err
}
