// Command newspaper runs a demo newspaper as an OAuth client of a connectid
// server that runs elsewhere. The quickstart runs two of them by itself.
//
//	CLIENT_SECRET=… go run ./examples/newspaper -client-id my.paper \
//	    -login-server https://connectid.example/user -api-server https://connectid.example/capi
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/connectid-kit/connectid/examples/newspaper/paper"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	addr := flag.String("addr", "127.0.0.1:8081", "address to listen on")
	base := flag.String("base", "", "the newspaper's own origin (default http://ADDR)")
	slug := flag.String("edition", "fjordposten", fmt.Sprintf("one of %q", paper.Editions()))
	login := flag.String("login-server", "http://localhost:8080/user", "connectid's login server")
	api := flag.String("api-server", "http://localhost:8080/capi", "connectid's API server")
	id := flag.String("client-id", "no.mediaconnect.test", "client id")
	flag.Parse()

	edition, err := paper.LoadEdition(*slug)
	if err != nil {
		return err
	}
	// Cookies sealed with keys of this run: a restart logs readers out here, not
	// at connectid, which logs them in again when they come back.
	keys := make([]byte, 64)
	rand.Read(keys)
	site, err := paper.New(paper.Config{
		Edition: edition, Base: cmp.Or(*base, "http://"+*addr),
		LoginServer: *login, APIServer: *api,
		ClientID: *id, ClientSecret: os.Getenv("CLIENT_SECRET"),
		HashKey: keys[:32], BlockKey: keys[32:],
	})
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr: *addr, Handler: site,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	stopped := context.AfterFunc(ctx, func() {
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(deadline); err != nil {
			log.Print(err)
		}
	})
	defer stopped()
	log.Printf("%s at %s", edition.Name, cmp.Or(*base, "http://"+*addr))
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
