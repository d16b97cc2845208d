package connectid_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

// The host's own pages beside the login pages: one that wants to know who is
// there, and one that wants a password or code of the last five minutes.
func ExampleKit_RequireFresh() {
	db := memstore.New()
	if err := db.PutClient(context.Background(), store.Client{ID: "my.paper", Name: "My Paper", Targets: []string{"https://paper.example"}}); err != nil {
		log.Fatal(err)
	}
	kit, err := connectid.New(connectid.Config{
		Store: db, Keys: [][]byte{[]byte("a real program has 32 random bytes")}, LoginURL: "https://paper.example/user",
		HostClient: "my.paper",
		Sender:     message.SenderFunc(func(context.Context, message.Message) error { return nil }),
	})
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := connectid.UserFrom(r.Context())
		fmt.Fprintln(w, "hello,", user.FirstName)
	})
	mux := http.NewServeMux()
	mux.Handle("/user/", kit)
	mux.Handle("/me", kit.RequireLogin(hello))
	mux.Handle("/pay", kit.RequireFresh(5*time.Minute)(hello))

	for _, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/me", nil),
		httptest.NewRequest(http.MethodPost, "/pay", nil),
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Location"))
	}
	// Output:
	// 302 https://paper.example/user/login?clientId=my.paper&errorUrl=https%3A%2F%2Fpaper.example%2F&returnUrl=https%3A%2F%2Fpaper.example%2Fme
	// 401 https://paper.example/user/reauthenticate?clientId=my.paper&errorUrl=https%3A%2F%2Fpaper.example%2F&maxAge=300&returnUrl=https%3A%2F%2Fpaper.example%2F
}
