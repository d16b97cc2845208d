package payextest

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// Transport reaches the simulator without a socket.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme+"://"+r.URL.Host != t.s.URL {
		return nil, errors.New("payextest: no such host")
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, writer := io.Pipe()
	w := &writes{header: http.Header{}, started: make(chan struct{}), body: writer}
	broken := make(chan struct{})
	go func() {
		defer func() {
			if recover() != nil {
				close(broken)
				writer.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.WriteHeader(http.StatusOK)
			writer.Close()
		}()
		t.s.ServeHTTP(w, in)
	}()
	select {
	case <-w.started:
	case <-broken:
		return nil, io.ErrUnexpectedEOF
	case <-r.Context().Done():
		body.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	stop := make(chan struct{})
	go func() {
		select {
		case <-r.Context().Done():
			body.CloseWithError(r.Context().Err())
		case <-stop:
		}
	}()
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &closes{body, stop, sync.Once{}}, ContentLength: -1, Request: r,
	}, nil
}

// closes is a body that ends the wait for its context when it is closed.
type closes struct {
	*io.PipeReader
	stop chan struct{}
	once sync.Once
}

// Close implements io.Closer.
func (c *closes) Close() error {
	c.once.Do(func() { close(c.stop) })
	return c.PipeReader.Close()
}

// writes is a ResponseWriter whose answer begins with its header.
type writes struct {
	header, sent http.Header
	status       int
	started      chan struct{}
	body         *io.PipeWriter
}

// Header implements http.ResponseWriter.
func (w *writes) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *writes) WriteHeader(status int) {
	if w.sent == nil {
		w.status, w.sent = status, w.header.Clone()
		close(w.started)
	}
}

// Write implements http.ResponseWriter.
func (w *writes) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher.
func (w *writes) Flush() { w.WriteHeader(http.StatusOK) }
