package account_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
)

func silent(c *account.Config) {
	c.Logger, c.Observer = slog.New(slog.NewTextHandler(io.Discard, nil)), nil
}

func BenchmarkSession(b *testing.B) {
	e := setUp(b, silent)
	u := e.addUser(b, "", "ola@example.com")
	h, _, err := e.StartSession(b.Context(), account.SessionStart{UserID: u.ID})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Session(b.Context(), h.Session); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check and touch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sess, err := e.Session(b.Context(), h.Session)
			if err != nil {
				b.Fatal(err)
			}
			if err := e.Touch(b.Context(), &sess); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("start", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := e.StartSession(b.Context(), account.SessionStart{UserID: u.ID}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRemember(b *testing.B) {
	e := setUp(b, silent)
	id, cookie := e.remember(b)
	b.Run("start", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Remember(b.Context(), account.RememberStart{UserID: id, ClientID: clientA.ID}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("start and recall", func(b *testing.B) { // the first recall always rotates
		b.ReportAllocs()
		for b.Loop() {
			c, err := e.Remember(b.Context(), account.RememberStart{UserID: id, ClientID: clientA.ID})
			if err != nil {
				b.Fatal(err)
			}
			e.mustRecall(b, c)
		}
	})
	b.Run("peek", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := e.Peek(b.Context(), clientA.ID, cookie); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCode(b *testing.B) {
	e := setUp(b, silent, func(c *account.Config) {
		c.Limits.SendsPerCredential.N, c.Limits.SendsPerAddress.N, c.Limits.SendsOverall.N = 1<<30, 1<<30, 1<<30
		c.Sender = discard{}
	})
	client := clientA
	client.SendsPerHour = 1 << 30
	ola := cred(b, "ola@example.com")
	b.ReportAllocs()
	for b.Loop() {
		err := e.SendCode(b.Context(), account.CodeRequest{Client: client, Credential: ola, Purpose: account.PurposeLogin, Origin: from(1), Lang: "nb"})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPasswordPool signs in 500 people at once with the real parameters.
// Besides the time of all 500 it reports how many hashes ran at once, and the
// most memory that they took: in use as the collector found it, and together
// with what it had not taken back yet.
func BenchmarkPasswordPool(b *testing.B) {
	e := setUp(b, silent, func(c *account.Config) {
		c.Passwords = account.Passwords{Wait: 10 * time.Minute}
		c.Limits.PasswordsPerAddress.N, c.Limits.PasswordsPerAccount.N = 1<<30, 1<<30
	})
	const people = 500
	credentials := make([]account.Credential, people)
	for i := range credentials {
		credentials[i] = cred(b, fmt.Sprintf("user%d@example.com", i))
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	type memory struct{ used, heap uint64 }
	peak := make(chan memory)
	stop := make(chan struct{})
	go func() {
		var most memory
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			metrics.Read(live)
			most.heap = max(most.heap, m.HeapAlloc-min(m.HeapAlloc, before.HeapAlloc))
			used := live[0].Value.Uint64()
			most.used = max(most.used, used-min(used, before.HeapAlloc))
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	for b.Loop() {
		var wg sync.WaitGroup
		for i, c := range credentials {
			wg.Go(func() {
				o := from(1)
				o.Address = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				_, err := e.VerifyPassword(b.Context(), account.PasswordAttempt{Client: clientA, Credential: c, Password: goodPassword, Origin: o})
				if !errors.Is(err, account.ErrWrong) {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	close(stop)
	s := e.PoolStats()
	most := <-peak
	b.ReportMetric(float64(most.used)/(1<<20), "used-MiB")
	b.ReportMetric(float64(most.heap)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(s.Peak), "hashes-at-once")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/people, "ms/login")
}

func BenchmarkParseCredential(b *testing.B) {
	for _, raw := range []string{"Ola.Nordmann@Example.com", "kari@blåbær.no", "406 12 345"} {
		b.Run(raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := account.ParseCredential(raw, "NO"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
