package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/connectid-kit/connectid"
	"github.com/connectid-kit/connectid/examples/clients"
	"github.com/connectid-kit/connectid/examples/newspaper/paper"
	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/flows/order/sandbox"
	"github.com/connectid-kit/connectid/handlers/oauth"
	"github.com/connectid-kit/connectid/handlers/pay"
	"github.com/connectid-kit/connectid/store"
)

// demo is all that runs: connectid with its store and outbox, two newspapers, and
// a company directory.
type demo struct {
	urls
	data        *folder
	certificate *tls.Certificate // nil on plain http
	store       database
	outbox      *message.Outbox
	kit         *connectid.Kit
	login       http.Handler // connectid and the demo's own pages
	papers      [2]http.Handler
	company     http.Handler
	bank        *sandbox.Provider
	book        orderBook
	logger      *slog.Logger
}

func newDemo(ctx context.Context, data *folder, at urls, logger *slog.Logger) (*demo, error) {
	d := &demo{urls: at, data: data, logger: logger}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *demo) open(ctx context.Context) (err error) {
	if d.secure() {
		if d.certificate, err = d.data.certificate(); err != nil {
			return err
		}
	}
	if d.store, err = openDatabase(ctx, d.data.file("connectid.db")); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if d.outbox, err = message.NewOutbox(message.OutboxConfig{Path: d.data.file("outbox.jsonl")}); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	registered, err := d.register(ctx)
	if err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	if err := addReaders(ctx, d.store); err != nil {
		return fmt.Errorf("users: %w", err)
	}
	if err := addSubscribers(ctx, d.store); err != nil {
		return fmt.Errorf("subscribers: %w", err)
	}
	if err := addCatalogue(ctx, d.store); err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	directories, err := d.openCompany()
	if err != nil {
		return err
	}
	merchants, err := d.openBank()
	if err != nil {
		return err
	}
	d.kit, err = connectid.New(connectid.Config{
		Store: d.store, Keys: d.data.Keys, LoginURL: d.Login, APIURL: d.API,
		Sender: d.outbox, Clients: clients.Folders, Directories: directories,
		Merchants: merchants, OnOrder: d.book.step,
		InsecureAllowHTTP: !d.secure(),
		LogoutClient:      &http.Client{Timeout: 5 * time.Second, Transport: d.transport(), CheckRedirect: stay},
		Logger:            d.logger,
	})
	if err != nil {
		return err
	}
	if err := d.sealPaymentSecrets(ctx, registered); err != nil {
		return fmt.Errorf("payment secrets: %w", err)
	}
	if err := d.book.load(ctx, d.store); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	own, err := newPages(d.info(registered), d.outbox, d.logger)
	if err != nil {
		return err
	}
	bank, err := pay.NewSandbox(pay.SandboxConfig{Provider: d.bank, Logger: d.logger})
	if err != nil {
		return err
	}
	orders := newOrderPages(own, d.store, d.kit.Orders(), &d.book)
	mux := http.NewServeMux()
	mux.Handle("/user/", d.kit.LoginServer())
	mux.Handle("/mcpay/", d.kit.ScriptServer())
	mux.Handle("/bank/", bank)
	mux.Handle("/capi/", d.kit.APIServer())
	mux.Handle("/.well-known/oauth-authorization-server/user", d.kit.Metadata())
	reading, err := newReadingApp(d.urls, &http.Client{Timeout: 10 * time.Second, Transport: d.transport()}, d.logger)
	if err != nil {
		return err
	}
	mux.Handle("/demo/reading", reading)
	mux.Handle("/demo/reading/", reading)
	mux.Handle("/demo/orders", orders)
	mux.Handle("/demo/orders/", orders)
	mux.Handle("/", own.handler())
	d.login = connectid.Clean(mux)
	return d.openPapers()
}

// stay follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// register writes the client records; addresses and secrets may have changed
// since the last start.
func (d *demo) register(ctx context.Context) ([]store.Client, error) {
	var errs []error
	registered := d.registered(func(id string) string {
		hash, err := oauth.HashSecret(d.data.ClientSecrets[id])
		errs = append(errs, err)
		return hash
	})
	for _, c := range registered {
		errs = append(errs, d.store.PutClient(ctx, c))
	}
	return registered, errors.Join(errs...)
}

func (d *demo) info(registered []store.Client) info {
	i := info{LoginServer: d.Login, APIServer: d.API, PayServer: d.Pay, PayAPIServer: d.API + "/mcpay", Issuer: d.Login, Users: readers, Directories: d.directories(), Subscribers: subscribers, Catalogue: sales}
	for _, c := range registered {
		i.Clients = append(i.Clients, infoClient{
			ClientID: c.ID, ClientSecret: d.data.ClientSecrets[c.ID], Name: c.Name,
			RedirectURI: c.RedirectURIs[0], ReturnURL: c.Targets[0] + "/", ErrorURL: c.Targets[0] + "/", Homepage: c.Homepage,
		})
	}
	return i
}

// transport carries the requests of the newspapers to connectid, and connectid's
// to the company directory.
func (d *demo) transport() http.RoundTripper {
	if d.certificate == nil {
		return http.DefaultTransport
	}
	roots := x509.NewCertPool()
	roots.AddCert(d.certificate.Leaf)
	return &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
	}
}

func (d *demo) openPapers() error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: d.transport()}
	for i, id := range []string{firstClient, secondClient} {
		edition, err := paper.LoadEdition(paper.Editions()[i])
		if err != nil {
			return err
		}
		keys := d.data.PaperKeys[id]
		d.papers[i], err = paper.New(paper.Config{
			Edition: edition, Base: d.Papers[i], LoginServer: d.Login, APIServer: d.API,
			ClientID: id, ClientSecret: d.data.ClientSecrets[id], Directory: directoryOf[id],
			PaymentSecret: d.data.PaymentSecrets[id], ScriptServer: d.Pay, PayServer: d.API + "/mcpay",
			HashKey: keys[:32], BlockKey: keys[32:], HTTPClient: client, Logger: d.logger,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep removes what has expired, until ctx ends.
func (d *demo) sweep(ctx context.Context) {
	if err := d.kit.Run(ctx); err != nil && ctx.Err() == nil {
		d.logger.ErrorContext(ctx, "sweep", "err", err)
	}
}

// announce prints where everything is.
func (d *demo) announce(w io.Writer) {
	fmt.Fprintf(w, `connectid is running. Start here:

  %s/demo

  Fjordposten    %s
  Skärgårdsnytt  %s
  outbox         %[1]s/demo/outbox
  login server   %[4]s
  API server     %[5]s
  directory      %[7]s (demo of a company's)
  payments       %[1]s/demo/orders (the bank is a sandbox)
  data           %[6]s
`, d.Host, d.Papers[0], d.Papers[1], d.Login, d.API, d.data.path, d.Company)
	if d.certificate != nil {
		fmt.Fprintf(w, "\nThe certificate is %s. Browsers warn until you import it as trusted.\n", d.data.file("cert.pem"))
	}
	fmt.Fprintln(w, "\nPress Ctrl-C to stop. Everything is kept for the next start.")
}

// Close closes the store and the outbox.
func (d *demo) Close() error {
	var errs []error
	if d.outbox != nil {
		errs = append(errs, d.outbox.Close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}
