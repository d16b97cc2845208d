package sqlitestore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/store/sqlitestore"
)

// The test program is its own child: with childRole set it writes to the file in
// childFile, and says on its output what was acknowledged.
const (
	childRole = "SQLITESTORE_TEST_CHILD"
	childFile = "SQLITESTORE_TEST_FILE"
)

func TestMain(m *testing.M) {
	role := os.Getenv(childRole)
	if role == "" {
		os.Exit(m.Run())
	}
	s, err := sqlitestore.Open(context.Background(), os.Getenv(childFile))
	if err == nil {
		switch role {
		case "write":
			err = writeForEver(s)
		case "count":
			err = countTo(s, 200)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, file string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childRole+"="+role, childFile+"="+file)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeForEver writes from several goroutines, and acknowledges with a line.
func writeForEver(s *sqlitestore.Store) error {
	ctx := context.Background()
	errs := make(chan error, 8)
	for range 8 {
		go func() {
			for {
				name := fmt.Sprint(rand.Uint64())
				if err := writeOne(ctx, s, name); err != nil {
					errs <- err
					return
				}
				fmt.Printf("%s\n", name) // one write call: a line is whole or not there
			}
		}()
	}
	return <-errs
}

// writeOne is a user, a session that a client visits, a code and a ticket that are
// used, a grant, a consent, a delivery that is claimed, and two orders and their
// payment that are placed and paid.
func writeOne(ctx context.Context, s *sqlitestore.Store, name string) error {
	end := time.Now().Add(time.Hour)
	hash := store.DigestOf(name)
	return errors.Join(
		s.CreateUser(ctx, store.User{ID: name, Number: rand.Int64(), Credentials: []store.Credential{{Kind: store.Email, Identity: name}}}),
		s.CreateSession(ctx, store.Session{Handle: hash, UserID: name, IdleAt: end, ExpiresAt: end}),
		s.PutCode(ctx, store.AuthorizationCode{Hash: hash, ClientID: "client", GrantID: name, ExpiresAt: end}),
		func() error { _, err := s.TakeCode(ctx, hash, "client"); return err }(),
		s.CreateGrant(ctx, store.Grant{ID: name, UserID: name, ExpiresAt: end}, store.AccessToken{Hash: hash, GrantID: name, ExpiresAt: end}),
		s.VisitSession(ctx, hash, "client"),
		s.PutTicket(ctx, store.Ticket{Kind: store.ProofID, Hash: hash, ClientID: "client", ExpiresAt: end}),
		func() error { _, err := s.TakeTicket(ctx, store.ProofID, hash, "client"); return err }(),
		s.AddConsent(ctx, store.Consent{UserID: name, ClientID: "client", Scopes: []string{"openid"}}),
		s.PutDelivery(ctx, store.Delivery{Kind: store.DeliveryKind(name), ID: name, DueAt: time.Now(), ExpiresAt: end}),
		func() error { _, err := s.ClaimDelivery(ctx, store.DeliveryKind(name), end, end); return err }(),
		payForTwo(ctx, s, name),
	)
}

// payForTwo places two orders with one payment in one step, and pays all in another.
func payForTwo(ctx context.Context, s *sqlitestore.Store, name string) error {
	var orders []store.Order
	for i := range 2 {
		orders = append(orders, store.Order{ID: 1 + rand.Int64N(1<<53-1), PartnerID: "partner", ClientID: "client", ExternalID: fmt.Sprint(name, i), UserID: name, Status: store.OrderAwaitingPayment, PaymentID: name})
	}
	payments := []store.Payment{{ID: name, PartnerID: "partner", ClientID: "client", UserID: name, Orders: []int64{orders[0].ID, orders[1].ID}, Reference: name, Status: store.PaymentCapturing}}
	if err := s.CommitOrders(ctx, orders, payments); err != nil {
		return err
	}
	for i := range orders {
		orders[i].Version, orders[i].Status = 1, store.OrderPaid
	}
	payments[0].Version, payments[0].Status = 1, store.PaymentCaptured
	return s.CommitOrders(ctx, orders, payments)
}

// arePaid complains unless both orders and their payment are there, and paid.
func arePaid(ctx context.Context, s *sqlitestore.Store, name string) error {
	p, err := s.PaymentByReference(ctx, "client", name)
	if err != nil || p.Status != store.PaymentCaptured || len(p.Orders) != 2 {
		return fmt.Errorf("the payment is %s for %d: %w", p.Status, p.Orders, err)
	}
	for i := range 2 {
		o, err := s.OrderByExternalID(ctx, "client", fmt.Sprint(name, i))
		if err != nil || o.Status != store.OrderPaid || o.ID != p.Orders[i] {
			return fmt.Errorf("order %d is %s: %w", o.ID, o.Status, err)
		}
	}
	return nil
}

// checkWhole complains about orders and payments, acknowledged or not, of which a
// step was written in part.
func checkWhole(t *testing.T, file string) (begun, paid int) {
	t.Helper()
	err := rawDB(t, file, "").QueryRow(`SELECT count(*) FILTER (WHERE whole AND version = 1), count(*) FILTER (WHERE whole AND version = 2)
		FROM (SELECT p.version, count(o.id) = 2 AND min(o.version) = p.version AND max(o.version) = p.version AS whole
			FROM connectid_payments p LEFT JOIN connectid_orders o ON o.payment_id = p.id GROUP BY p.id)`).Scan(&begun, &paid)
	if err != nil {
		t.Fatal(err)
	}
	var orders, payments int
	if err := rawDB(t, file, "").QueryRow("SELECT (SELECT count(*) FROM connectid_orders), (SELECT count(*) FROM connectid_payments)").Scan(&orders, &payments); err != nil {
		t.Fatal(err)
	}
	if payments != begun+paid || orders != 2*payments {
		t.Errorf("%d orders and %d payments, of which %d and %d are whole", orders, payments, begun, paid)
	}
	return begun, paid
}

// checkOne complains about everything that was acknowledged and is not there.
func checkOne(ctx context.Context, s *sqlitestore.Store, name string) error {
	hash := store.DigestOf(name)
	_, user := s.UserByCredential(ctx, store.Email, name)
	visited, session := s.Session(ctx, hash)
	_, grant := s.Grant(ctx, name)
	_, token := s.AccessToken(ctx, hash)
	_, code := s.TakeCode(ctx, hash, "client")
	if !errors.Is(code, store.ErrUsed) {
		code = fmt.Errorf("a used code was taken again: %w", code)
	} else {
		code = nil
	}
	_, ticket := s.Ticket(ctx, store.ProofID, hash)
	if !errors.Is(ticket, store.ErrUsed) {
		ticket = fmt.Errorf("a used ticket is not used any more: %w", ticket)
	} else {
		ticket = nil
	}
	if session == nil && len(visited.Clients) != 1 {
		session = fmt.Errorf("the session was visited by %q", visited.Clients)
	}
	_, consent := s.Consent(ctx, name, "client")
	if again := s.RetryDelivery(ctx, store.DeliveryKind(name), name, 1, time.Now().Add(time.Hour)); again != nil {
		consent = errors.Join(consent, fmt.Errorf("a delivery that was claimed once: %w", again))
	}
	return errors.Join(user, session, grant, token, code, ticket, consent, arePaid(ctx, s, name))
}

// TestSurvivesKill kills a writing process at some moment, again and again, and
// looks for everything that it had acknowledged until then.
func TestSurvivesKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	var acknowledged []string
	var begun, paid int
	for round := range 12 {
		cmd := child(t, "write", file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		n := 0
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // the child is dead
			}
			acknowledged = append(acknowledged, strings.TrimSuffix(line, "\n"))
			if n++; n == 1 {
				time.AfterFunc(time.Duration(rand.IntN(150_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
		if n == 0 {
			t.Fatalf("round %d: the child acknowledged nothing", round)
		}
		s, err := sqlitestore.Open(t.Context(), file)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for _, name := range acknowledged[len(acknowledged)-n:] {
			if err := checkOne(t.Context(), s, name); err != nil {
				t.Errorf("round %d: %s was acknowledged: %v", round, name, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		checkIntegrity(t, file)
		begun, paid = checkWhole(t, file)
	}
	s := openFile(t, file)
	for _, name := range acknowledged { // those of the first rounds outlived all later crashes
		if err := checkOne(t.Context(), s, name); err != nil {
			t.Errorf("at the end: %s was acknowledged: %v", name, err)
		}
	}
	t.Logf("%d acknowledged entries, over 12 kills, are all there; of %d payments %d were begun and not yet paid", len(acknowledged), begun+paid, begun)
}

func checkIntegrity(t *testing.T, file string) {
	t.Helper()
	db := rawDB(t, file, "")
	for query, want := range map[string]string{"PRAGMA integrity_check": "ok", "SELECT count(*) FROM pragma_foreign_key_check": "0"} {
		var got string
		if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", query, got, err, want)
		}
	}
}

// rawDB opens the file past the store.
func rawDB(t *testing.T, file, query string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// countTo adds n ones, eight at a time.
func countTo(s *sqlitestore.Store, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			for range n / len(errs) {
				if _, err := s.Add(context.Background(), "shared", 1, time.Hour); err != nil {
					errs[i] = err
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestProcessesShareAFile lets three processes create the schema and count at
// once: nothing is lost, and none is told that the file is busy.
func TestProcessesShareAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "connectid.db")
	var wg sync.WaitGroup
	for range 3 {
		cmd := child(t, "count", file)
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	wg.Wait()
	s := openFile(t, file)
	if got, err := s.Add(t.Context(), "shared", 0, time.Hour); err != nil || got.N != 600 {
		t.Errorf("three processes counted to %d, %v, want 600", got.N, err)
	}
}
