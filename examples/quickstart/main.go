// Command quickstart runs everything at once: connectid's login server and API
// on a SQLite database, two demo newspapers that are its clients, a demo of a
// company directory, and an outbox that shows every mail and SMS.
//
//	go run ./examples/quickstart
//
// It is a demo: it listens on loopback addresses only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	Addr    string
	Data    string
	TLS     bool
	Verbose bool
}

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "loopback address of the login server and the API; the newspapers and the company directory take the next three ports")
	flags.StringVar(&o.Data, "data", "", "folder for the database, the keys and the outbox (default: connectid-quickstart in the user's cache folder)")
	flags.BoolVar(&o.TLS, "tls", false, "serve everything over https, with a certificate made at the first start")
	flags.BoolVar(&o.Verbose, "v", false, "log every request")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.Data == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("no cache folder, name one with -data: %w", err)
		}
		o.Data = filepath.Join(cache, "connectid-quickstart")
	}
	return o, nil
}

// run serves until ctx ends and returns nil after a clean stop.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if o.Verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	listeners, err := listen(o.Addr)
	if err != nil {
		return err
	}
	defer listeners.Close()
	data, err := openFolder(o.Data)
	if err != nil {
		return err
	}
	demo, err := newDemo(ctx, data, addresses(listeners.Port, o.TLS), logger)
	if err != nil {
		return err
	}
	defer func() {
		if err := demo.Close(); err != nil {
			logger.Error("close", "err", err)
		}
	}()
	return demo.serve(ctx, listeners, func() { demo.announce(stdout) })
}
