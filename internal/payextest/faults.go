package payextest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// Lose does it, and then the connection breaks.
func Lose(_ http.ResponseWriter, do func() *httptest.ResponseRecorder) {
	do()
	panic(http.ErrAbortHandler)
}

// Break breaks the connection before anything is done.
func Break(http.ResponseWriter, func() *httptest.ResponseRecorder) { panic(http.ErrAbortHandler) }

// Hang does it and answers after d.
func Hang(d time.Duration) Fault {
	return func(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
		rec := do()
		time.Sleep(d)
		Answer(w, rec)
	}
}

// Drip does it and sends the answer in two halves, d apart.
func Drip(d time.Duration) Fault {
	return func(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
		rec := do()
		body := rec.Body.Bytes()
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		time.Sleep(d)
		_, _ = w.Write(body[len(body)/2:])
	}
}

// Before answers a status, and does nothing.
func Before(status int) Fault {
	return func(w http.ResponseWriter, _ func() *httptest.ResponseRecorder) { w.WriteHeader(status) }
}

// After does it, and answers a status.
func After(status int) Fault {
	return func(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
		do()
		w.WriteHeader(status)
	}
}

// Problem answers a problem, and does nothing.
func Problem(status int, kind string) Fault {
	return func(w http.ResponseWriter, _ func() *httptest.ResponseRecorder) {
		(&Server{}).problem(w, status, kind, "", "")
	}
}

// Body does it, and answers 200 with this.
func Body(kind, body string) Fault {
	return func(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
		do()
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}

// Cut does it, and answers the first half, as if that were all.
func Cut(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
	rec := do()
	rec.Body.Truncate(rec.Body.Len() / 2)
	Answer(w, rec)
}

// Large does it, and answers far too much.
func Large(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
	rec := do()
	rec.Body.WriteString(strings.Repeat(" ", 2<<20))
	Answer(w, rec)
}

// Edit does it, and changes the answer.
func Edit(f func(order map[string]any, all map[string]any)) Fault {
	return func(w http.ResponseWriter, do func() *httptest.ResponseRecorder) {
		rec := do()
		all := map[string]any{}
		if json.Unmarshal(rec.Body.Bytes(), &all) == nil {
			order, ok := all["paymentOrder"].(map[string]any)
			if !ok {
				order, _ = all["paymentorder"].(map[string]any)
			}
			f(order, all)
			rec.Body.Reset()
			_ = json.NewEncoder(rec.Body).Encode(all)
		}
		Answer(w, rec)
	}
}

// Rel changes the operation of that name; nil takes it away.
func Rel(rel string, f func(map[string]any)) Fault {
	return Edit(func(_, all map[string]any) {
		list, _ := all["operations"].([]any)
		kept := []any{}
		for _, o := range list {
			if m := o.(map[string]any); m["rel"] != rel {
				kept = append(kept, o)
			} else if f != nil {
				f(m)
				kept = append(kept, m)
			}
		}
		all["operations"] = kept
	})
}
