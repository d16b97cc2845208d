package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/connectid-kit/connectid/flows/account"
	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/store"
)

// orderBook knows which orders there are, for the demo's page about them: those of
// the demo's readers, and those that have moved since the start.
type orderBook struct {
	mu     sync.Mutex
	latest []int64 // the last one first
}

// maxOrders is how many orders the page shows.
const maxOrders = 30

// step is told of every step of orders and payments.
func (b *orderBook) step(_ context.Context, s order.Step) { b.add(s.OrderID) }

func (b *orderBook) add(id int64) {
	if id == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.latest, id); i >= 0 {
		b.latest = slices.Delete(b.latest, i, i+1)
	}
	b.latest = slices.Insert(b.latest, 0, id)
	b.latest = b.latest[:min(len(b.latest), maxOrders)]
}

func (b *orderBook) ids() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.latest)
}

// load finds the orders of the demo's readers.
func (b *orderBook) load(ctx context.Context, s store.Store) error {
	for _, r := range readers {
		c, err := account.ParseCredential(r.Credential, "NO")
		if err != nil {
			return err
		}
		u, err := s.UserByCredential(ctx, c.Kind, c.Identity)
		if errors.Is(err, store.ErrNotFound) {
			continue // she has deleted her account or changed her address
		} else if err != nil {
			return err
		}
		for o, err := range s.UserOrders(ctx, "", u.ID) {
			if err != nil {
				return err
			}
			b.add(o.ID)
		}
	}
	return nil
}

// orderPages show orders and payments, and do by hand what a publisher's own
// program does each month: charge again what was agreed upon.
type orderPages struct {
	*pages
	store  store.Store
	orders *order.Service
	book   *orderBook
}

// orderRow is one line of the page.
type orderRow struct {
	ID                             int64
	Client, User, What, Cost       string
	Status, Method, Payment, Money string
	Again                          string // the key of a further charge; empty when there can be none
	Refund                         bool
}

func newOrderPages(p *pages, s store.Store, orders *order.Service, book *orderBook) http.Handler {
	o := &orderPages{p, s, orders, book}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/orders", o.show)
	mux.HandleFunc("POST /demo/orders/{id}/{action}", o.act)
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "form-action 'none'", "form-action 'self'", 1))
		mux.ServeHTTP(w, r)
	})
	return localOnly(http.NewCrossOriginProtection().Handler(own))
}

func (o *orderPages) show(w http.ResponseWriter, r *http.Request) {
	var rows []orderRow
	for _, id := range o.book.ids() {
		row, err := o.row(r.Context(), id)
		if err != nil {
			o.fail(w, r, err)
			return
		}
		rows = append(rows, row)
	}
	o.render(w, r, "orders.html", map[string]any{"Rows": rows, "Said": r.FormValue("said")})
}

func (o *orderPages) row(ctx context.Context, id int64) (orderRow, error) {
	rec, err := o.store.Order(ctx, id)
	if err != nil {
		return orderRow{}, err
	}
	c, err := o.store.Client(ctx, rec.ClientID)
	if err != nil {
		return orderRow{}, err
	}
	found, err := o.orders.Order(ctx, &c, "", id)
	if err != nil {
		return orderRow{}, err
	}
	row := orderRow{ID: id, Client: rec.ClientID, Status: string(rec.Status), Method: rec.Method, Cost: fmt.Sprintf("%d.%02d %s", rec.Amount/100, rec.Amount%100, rec.Currency)}
	for _, l := range found.Content.Lines {
		row.What = strings.TrimSpace(row.What + " " + l.SpecCode)
	}
	if rec.UserID != "" {
		if u, err := o.store.User(ctx, rec.UserID); err == nil && len(u.Credentials) > 0 {
			row.User = u.Credentials[0].Spelling
		}
	}
	if rec.PaymentID == "" {
		return row, nil
	}
	paid, err := o.store.Payment(ctx, rec.PaymentID)
	if err != nil {
		return row, err
	}
	row.Payment, row.Money = paid.ID, string(paid.Status)
	row.Refund = paid.Status == store.PaymentCaptured
	if row.Refund && paid.Recurring {
		row.Again = rand.Text()
	}
	return row, nil
}

// act charges again, or gives the money back. The key comes with the form, so that
// a double click is one charge.
func (o *orderPages) act(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	said := ""
	switch r.PathValue("action") {
	case "charge":
		var made order.Order
		if made, err = o.orders.ChargeAgain(r.Context(), id, r.PostFormValue("key")); err == nil {
			said = fmt.Sprintf("Charged: order %d, which is %s.", made.ID, made.Status)
		}
	case "refund":
		var rec store.Order
		if rec, err = o.store.Order(r.Context(), id); err == nil {
			var p store.Payment
			if p, err = o.orders.Refund(r.Context(), rec.PaymentID); err == nil {
				said = fmt.Sprintf("The payment of order %d is %s.", id, p.Status)
			}
		}
	default:
		http.NotFound(w, r)
		return
	}
	if refused, ok := errors.AsType[*order.RefusedError](err); ok {
		said = refused.Error()
	} else if err != nil {
		o.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/demo/orders?"+url.Values{"said": {said}}.Encode(), http.StatusSeeOther)
}

func (o *orderPages) fail(w http.ResponseWriter, r *http.Request, err error) {
	o.logger.LogAttrs(r.Context(), slog.LevelError, "orders", slog.Any("err", err))
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}
