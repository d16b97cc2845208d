package pwned_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account/pwned"
)

// SHA-1 of "password" is 5BAA6 1E4C9B93F3F0682250B6CF8331B7EE68FD8.
const (
	known = "1E4C9B93F3F0682250B6CF8331B7EE68FD8"
	other = "003D68EB55068C33ACE09247EE4C639306B"
)

func serve(t *testing.T, answer http.HandlerFunc, change ...func(*pwned.Config)) *pwned.Client {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c := pwned.Config{URL: s.URL + "/range/"}
	for _, f := range change {
		f(&c)
	}
	client, err := pwned.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestBreached(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		min    int
		want   bool
		fails  bool
	}{
		"known":                    {answer: other + ":3\r\n" + known + ":10434004\r\n", want: true},
		"known, small letters":     {answer: strings.ToLower(known) + ":1", want: true},
		"unknown":                  {answer: other + ":3\r\n"},
		"padding":                  {answer: other + ":3\r\n" + known + ":0\r\n"},
		"too rare":                 {answer: known + ":4\r\n", min: 5},
		"often enough":             {answer: known + ":5\r\n", min: 5, want: true},
		"empty":                    {answer: "", fails: true},
		"a page":                   {answer: "<html>Please log in to the Wi-Fi</html>", fails: true},
		"no count":                 {answer: known + "\r\n", fails: true},
		"a negative count":         {answer: known + ":-1\r\n", fails: true},
		"cut":                      {answer: known[:20], fails: true},
		"endless":                  {answer: strings.Repeat(other+":1\r\n", 40000), fails: true},
		"endless line":             {answer: strings.Repeat("A", 2<<20), fails: true},
		"found before the garbage": {answer: known + ":7\r\n<html>", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/range/5BAA6" || r.Header.Get("Add-Padding") != "true" || r.Header.Get("User-Agent") != "connectid" {
					t.Errorf("asked for %s with %v", r.URL, r.Header)
				}
				fmt.Fprint(w, c.answer)
			}, func(p *pwned.Config) { p.MinCount = c.min })
			got, err := client.Breached(t.Context(), "password")
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// What goes wrong is an error that says nothing of the password.
func TestBreachedFails(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, client := range map[string]*pwned.Client{
		"status": serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, known+":1", http.StatusTooManyRequests) }),
		"frozen": serve(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}),
		"down": serve(t, nil, func(c *pwned.Config) { c.URL = gone.URL + "/" }),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		found, err := client.Breached(ctx, "password")
		cancel()
		if found || err == nil || strings.Contains(strings.ToUpper(err.Error()), "5BAA6") || strings.Contains(err.Error(), "password") {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if name == "frozen" && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := pwned.New(pwned.Config{}); err != nil {
		t.Errorf("the zero Config: %v", err)
	}
	for _, u := range []string{
		"http://api.pwnedpasswords.com/range/", "https://api.pwnedpasswords.com/range", "ftp://localhost/", "range/",
		"https://user@host/", "https://host/?range=", "https://host/#x", "http://127.0.0.1.example.com/x", "://",
	} {
		if _, err := pwned.New(pwned.Config{URL: u}); err == nil {
			t.Errorf("URL %q is taken", u)
		}
	}
	if _, err := pwned.New(pwned.Config{MinCount: -1}); err == nil {
		t.Error("a negative MinCount is taken")
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "1E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004")
	}))
	defer server.Close()
	client, err := pwned.New(pwned.Config{URL: server.URL + "/range/"})
	if err != nil {
		panic(err)
	}
	fmt.Println(client.Breached(context.Background(), "password"))
	fmt.Println(client.Breached(context.Background(), "riktig hest batteri"))
	// Output:
	// true <nil>
	// false <nil>
}
