package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// listeners are the sockets of the demo: the login server's, on both loopback
// addresses as browsers may take localhost for either, the newspapers', and the company
// directory's.
type listeners struct {
	Port    int
	Login   []net.Listener
	Papers  [2]net.Listener
	Company net.Listener
}

// Close closes all of them; those that a server has closed already don't matter.
func (l *listeners) Close() {
	for _, one := range append(append(l.Login, l.Papers[:]...), l.Company) {
		if one != nil {
			one.Close()
		}
	}
}

// loopback returns the address and port of -addr. This is a demo with published
// passwords and an open outbox: it refuses what other machines could reach.
func loopback(addr string) (netip.Addr, int, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("bad -addr %q: want HOST:PORT such as 127.0.0.1:8080", addr)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65532 {
		return netip.Addr{}, 0, fmt.Errorf("bad -addr %q: want a port up to 65532, as the newspapers and the company directory take the next three", addr)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return netip.Addr{}, 0, fmt.Errorf("bad -addr %q: this is a demo, it listens on loopback addresses only, such as 127.0.0.1:8080", addr)
	}
	return ip, port, nil
}

// listen opens the four ports. With port 0 it looks for four free ones in a row.
func listen(addr string) (*listeners, error) {
	ip, port, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	if port != 0 {
		return listenAt(ip, port)
	}
	for range 50 {
		probe, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
		if err != nil {
			return nil, err
		}
		free := probe.Addr().(*net.TCPAddr).Port
		probe.Close()
		if l, err := listenAt(ip, free); err == nil && free <= 65532 {
			return l, nil
		}
	}
	return nil, errors.New("found no four free ports in a row")
}

func listenAt(ip netip.Addr, port int) (*listeners, error) {
	l := &listeners{Port: port}
	open := func(host string, port int) (net.Listener, error) {
		one, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		return one, nil
	}
	login, err := open(ip.String(), port)
	if err != nil {
		return nil, err
	}
	l.Login = append(l.Login, login)
	// A machine without IPv6 has no ::1; a stranger on it would be met by browsers.
	if ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		other, err := net.Listen("tcp", net.JoinHostPort("::1", strconv.Itoa(port)))
		switch {
		case err == nil:
			l.Login = append(l.Login, other)
		case errors.Is(err, syscall.EADDRINUSE):
			l.Close()
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	for i := range l.Papers {
		if l.Papers[i], err = open("127.0.0.1", port+1+i); err != nil {
			return nil, err
		}
	}
	l.Company, err = open("127.0.0.1", port+3)
	return l, err
}

// grace is how long requests may take to finish after a signal to stop.
const grace = 3 * time.Second

// serve runs the servers until ctx ends, then lets requests finish. ready is called when all of them accept connections.
func (d *demo) serve(ctx context.Context, l *listeners, ready func()) error {
	var group sync.WaitGroup
	failed := make(chan error, 5)
	var servers []*http.Server
	start := func(one net.Listener, h http.Handler) {
		s := d.server(h)
		servers = append(servers, s)
		if d.certificate != nil {
			one = tls.NewListener(one, s.TLSConfig)
		}
		group.Go(func() {
			if err := s.Serve(one); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	for _, one := range l.Login {
		start(one, d.login)
	}
	for i, one := range l.Papers {
		start(one, d.papers[i])
	}
	start(l.Company, d.company)
	background, stop := context.WithCancel(ctx)
	group.Go(func() { d.sweep(background) })
	group.Go(func() { d.bank.Run(background) })
	ready()

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, s := range servers {
		group.Go(func() {
			// A browser that keeps its connection open must not keep the demo open.
			if s.Shutdown(deadline) != nil {
				s.Close()
			}
		})
	}
	group.Wait()
	return err
}

// server returns a server with every time-out set: without them one slow client
// holds a connection for ever.
func (d *demo) server(h http.Handler) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(d.logger.Handler(), slog.LevelDebug),
	}
	if d.certificate != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*d.certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	return s
}
