// Package pwned asks a range service such as Pwned Passwords whether a password
// is known from a breach, without telling it the password: the service learns
// the first 20 bits of the password's SHA-1, answers with all hashes that begin
// so, and the rest is compared here (k-anonymity).
//
//	client, err := pwned.New(pwned.Config{})
//	…
//	connectid.Config{Passwords: account.Passwords{Breached: client.Breached}}
//
// The format is that of https://haveibeenpwned.com/API/v3#PwnedPasswords; who
// wants to ask nobody can serve the downloaded ranges from a server of their own.
package pwned

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Service is the address of Pwned Passwords.
const Service = "https://api.pwnedpasswords.com/range/"

// Config configures a [Client]. Its zero value asks [Service].
type Config struct {
	// URL is the address to which the first five hexadecimal digits are added;
	// default [Service]. Required to be https, but on loopback.
	URL string
	// MinCount is in how many breached accounts a password was found before it
	// counts as known; default 1.
	MinCount int
	// UserAgent names the caller, as the service asks; default "connectid".
	UserAgent string
	// HTTP does the requests; default a client of its own. The context of a
	// question bounds its time.
	HTTP *http.Client
}

// Client asks a range service. It is safe for concurrent use.
type Client struct {
	url, agent string
	min        int
	http       *http.Client
}

// New returns the client, or all that is wrong with c.
func New(c Config) (*Client, error) {
	c.URL = cmp.Or(c.URL, Service)
	var errs []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("bad URL: %w", err))
	case u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		errs = append(errs, fmt.Errorf("bad URL %q: want https", c.URL))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/"):
		errs = append(errs, fmt.Errorf("bad URL %q: want scheme, host and a path with a slash at its end", c.URL))
	}
	if c.MinCount < 0 {
		errs = append(errs, fmt.Errorf("bad MinCount %d: want 0 for the default or more", c.MinCount))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("pwned: %w", err)
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a range is where it was asked for, or nowhere
		}}
	}
	return &Client{c.URL, cmp.Or(c.UserAgent, "connectid"), cmp.Or(c.MinCount, 1), c.HTTP}, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// maxAnswer bounds what is read of an answer: ranges have some 40 KB.
const maxAnswer = 1 << 20

// Breached reports whether the password is known from a breach. Its errors say
// nothing of the password.
func (c *Client) Breached(ctx context.Context, password string) (bool, error) {
	sum := sha1.Sum([]byte(password))
	digits := strings.ToUpper(hex.EncodeToString(sum[:]))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+digits[:5], nil)
	if err != nil {
		return false, fmt.Errorf("pwned: %w", err)
	}
	r.Header.Set("User-Agent", c.agent)
	r.Header.Set("Add-Padding", "true") // the length of the answer tells an eavesdropper nothing
	res, err := c.http.Do(r)
	if err != nil {
		return false, fmt.Errorf("pwned: %w", withoutURL(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("pwned: status %d", res.StatusCode)
	}
	n, err := count(res.Body, digits[5:])
	if err != nil {
		return false, fmt.Errorf("pwned: %w", err)
	}
	return n >= c.min, nil
}

// withoutURL takes the address, and with it the digits, out of the error.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// count returns what the answer says of the hash with that rest: lines of 35
// hexadecimal digits, a colon and a number. Padding has the number 0. An answer
// of another form is none: it must not pass for "not found".
func count(body io.Reader, rest string) (int, error) {
	in := io.LimitedReader{R: body, N: maxAnswer + 1}
	lines := bufio.NewScanner(&in)
	found, seen := 0, 0
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		digits, number, _ := strings.Cut(line, ":")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || len(digits) != len(rest) || strings.Trim(digits, "0123456789ABCDEFabcdef") != "" {
			return 0, errors.New("the answer is no list of hashes")
		}
		seen++
		if strings.EqualFold(digits, rest) {
			found = max(found, n)
		}
	}
	switch {
	case lines.Err() != nil:
		return 0, lines.Err()
	case in.N <= 0:
		return 0, errors.New("the answer is too long")
	case seen == 0:
		return 0, errors.New("the answer is empty")
	}
	return found, nil
}
