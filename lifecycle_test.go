package connectid_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/middleware"
	"github.com/connectid-kit/connectid/store"
)

// A host sunsets an endpoint of the API by a line of its configuration: answers
// announce it, then it is gone, and who calls it stands in the log.
func TestSunsetOfAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var told []string
		sunset := time.Now().Add(time.Hour)
		s := newSite(t, func(c *connectid.Config) {
			c.Lifecycle = map[string]middleware.Lifecycle{
				"GET /v1/subscription":     {Sunset: sunset, Successor: "/capi/v2/subscription"},
				"GET /v1/customer/profile": {Test: time.Now().Add(-time.Hour)},
			}
			c.OnDeprecatedCall = func(_ context.Context, d middleware.DeprecatedCall) {
				told = append(told, fmt.Sprint(d.Client, ": ", d.Stage))
			}
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		err := s.store.PutAccessToken(t.Context(), store.AccessToken{
			Hash: store.DigestOf("token"), ClientID: clientID, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(2 * time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		call := func(path string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", host+path, nil)
			r.Header.Set("Authorization", "Bearer token")
			w := httptest.NewRecorder()
			s.kit.ServeHTTP(w, r)
			return w
		}
		w := call("/capi/v1/subscription")
		if w.Code != 403 || w.Header().Get("Sunset") != "Sat, 01 Jan 2000 01:00:00 GMT" { // a client has no subscription
			t.Errorf("before: %d %v", w.Code, w.Header())
		}
		if w := call("/capi/v1/customer/profile"); w.Code != 404 {
			t.Errorf("in test, in production: %d", w.Code)
		}
		time.Sleep(time.Hour)
		w = call("/capi/v1/subscription")
		if w.Code != 410 || !strings.Contains(w.Body.String(), "use /capi/v2/subscription") {
			t.Errorf("after: %d %s", w.Code, w.Body)
		}
		if want := []string{clientID + ": Ready for sunset", clientID + ": Sunset"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := s.kit.Run(ctx); err == nil {
			t.Error("Run returned nil")
		}
		if !strings.Contains(log.String(), "client="+clientID+" others=false calls=2") {
			t.Errorf("the log does not say who called:\n%s", &log)
		}
	})
}
