// Command minimal mounts connectid into a ServeMux and logs what would be mailed.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/memstore"
)

func main() {
	key := make([]byte, 32) // a real program keeps its keys over restarts
	rand.Read(key)
	db := memstore.New()
	db.PutClient(context.Background(), store.Client{ID: "my.paper", Name: "My Paper", Targets: []string{"http://localhost:8080"}})
	kit, err := connectid.New(connectid.Config{
		Store: db, Keys: [][]byte{key}, LoginURL: "http://localhost:8080/user", InsecureAllowHTTP: true,
		Sender: message.SenderFunc(func(_ context.Context, m message.Message) error { log.Print(m.To, ": ", m.Text); return nil }),
	})
	if err != nil {
		log.Fatal(err) // everything that is wrong, at once
	}
	mux := http.NewServeMux()
	mux.Handle("/user/", kit)
	mux.Handle("/capi/", kit)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><a href="/user/login?clientId=my.paper&returnUrl=http://localhost:8080/in&errorUrl=http://localhost:8080/">Log in</a>`)
	})
	mux.HandleFunc("GET /in", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "You are logged in.") })
	server := &http.Server{Addr: "localhost:8080", Handler: connectid.Clean(mux), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	log.Fatal(server.ListenAndServe())
}
