package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/handlers/api"
)

func TestNotifier(t *testing.T) {
	var got []string
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { got = append(got, r.Method+" "+r.URL.RequestURI()) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	site := httptest.NewServer(mux)
	defer site.Close()

	fetch := api.NewNotifier(true)
	if err := fetch(t.Context(), site.URL+"/ok?orderId=7&fulfillmentStatus=success"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/moved", "/broken"} {
		if err := fetch(t.Context(), site.URL+path); err == nil {
			t.Errorf("%s was taken for an answer", path)
		}
	}
	site.Close()
	for _, address := range []string{site.URL + "/ok?secret=x", "https://down.invalid/?secret=x", "https://a b/?secret=x", "%zz?secret=x"} {
		if err := fetch(t.Context(), address); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, which is logged", address, err)
		}
	}
	if want := "GET /ok?orderId=7&fulfillmentStatus=success"; len(got) != 1 || got[0] != want {
		t.Errorf("the client was told %q, want %q once", got, want)
	}
}

func TestNotifierStaysOutside(t *testing.T) {
	asked := false
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer site.Close()
	port := site.URL[strings.LastIndexByte(site.URL, ':'):]
	fetch := api.NewNotifier(false)
	for _, address := range []string{
		site.URL, "http://localhost" + port, "http://[::1]" + port, "http://[::ffff:127.0.0.1]" + port, "http://0.0.0.0" + port,
		"http://10.0.0.1" + port, "http://192.168.1.1" + port, "http://172.16.0.1" + port, "http://169.254.169.254" + port,
		"http://100.64.0.1" + port, "http://198.18.0.1" + port, "http://[fe80::1]" + port, "http://[fd00::1]" + port,
		"http://[::127.0.0.1]" + port, "http://[::ffff:0:127.0.0.1]" + port, "http://[fec0::1]" + port, "http://[100::1]" + port,
		"http://[5f00::1]" + port, "http://[64:ff9b:1::1]" + port, "http://[2001::1]" + port, "http://[2001:10::1]" + port, "http://[3fff::1]" + port,
		"http://[::]" + port, "http://192.88.99.1" + port,
		"http://[64:ff9b::7f00:1]" + port, "http://[2002:7f00:1::]" + port, "http://224.0.0.1" + port, "http://255.255.255.255" + port,
	} {
		began := time.Now()
		err := fetch(t.Context(), address)
		if err == nil || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s: %v, want it refused before a byte is sent (%v)", address, err, time.Since(began))
		}
	}
	if asked {
		t.Error("an address inside was asked")
	}
}
