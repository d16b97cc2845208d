package message_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/flows/message"
)

func numbered(i int) message.Message {
	return message.Message{
		ID: fmt.Sprint("id", i), Channel: message.Email, Kind: message.LoginCode, To: "ola@example.com",
		Subject: "Koden din", Text: fmt.Sprint("linje 1\nlinje ", i), HTML: "<p>", Code: fmt.Sprintf("%06d", i), Link: "https://a.no/",
	}
}

func open(t *testing.T, c message.OutboxConfig) *message.Outbox {
	t.Helper()
	o, err := message.NewOutbox(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

func codes(o *message.Outbox) string {
	var out []string
	for _, e := range o.List() {
		out = append(out, strings.TrimLeft(e.Code, "0"))
	}
	return strings.Join(out, " ")
}

func TestOutboxForm(t *testing.T) {
	t.Parallel()
	o := open(t, message.OutboxConfig{})
	if b, _ := json.Marshal(o.List()); string(b) != "[]" {
		t.Errorf("an empty outbox is %s", b)
	}
	if err := o.Send(t.Context(), numbered(1)); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(o.List())
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b, &got); err != nil || len(got) != 1 || len(got[0]) != 7 {
		t.Fatalf("%s: %v", b, err)
	}
	for key, want := range map[string]string{
		"channel": "email", "to": "ola@example.com", "subject": "Koden din", "text": "linje 1\nlinje 1", "code": "000001", "link": "https://a.no/",
	} {
		if got[0][key] != want {
			t.Errorf("%s is %v, want %q", key, got[0][key], want)
		}
	}
	if got[0]["time"] == "" || o.List()[0].HTML != "<p>" || o.List()[0].Kind != message.LoginCode {
		t.Errorf("entry %+v", o.List()[0])
	}
}

func TestOutboxFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outbox.jsonl")
	c := message.OutboxConfig{Path: path, Limit: 3}
	o := open(t, c)
	for i := range 20 {
		if err := o.Send(t.Context(), numbered(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := codes(o); got != "18 19 20" {
		t.Errorf("kept %s", got)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(data), "\n"); n > 6 {
		t.Errorf("the file has %d lines", n)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := o.Send(t.Context(), numbered(20)); err != nil || codes(o) != "18 19 20" {
		t.Errorf("sent again: %s, %v", codes(o), err)
	}
	want := o.List()
	// Killed, not closed; and in the middle of a line.
	if err := os.WriteFile(path, append(data, `{"id":"id21","tim`...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := open(t, c)
	if fmt.Sprint(again.List()) != fmt.Sprint(want) {
		t.Errorf("after a restart %v, want %v", again.List(), want)
	}
	if err := again.Send(t.Context(), numbered(22)); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if err := again.Send(t.Context(), numbered(23)); err == nil {
		t.Error("a closed outbox takes messages")
	}
	if got := codes(open(t, c)); got != "19 20 22" {
		t.Errorf("after another restart: %s", got)
	}
	if err := os.WriteFile(path, []byte("{}\nnot json\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := message.NewOutbox(c); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a damaged file: %v", err)
	}
	for _, c := range []message.OutboxConfig{{Limit: -1}, {Path: filepath.Join(path, "below a file")}} {
		if _, err := message.NewOutbox(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestOutboxTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outbox.jsonl")
	o := open(t, message.OutboxConfig{Path: path, Limit: 50})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if err := o.Send(t.Context(), numbered(i)); err != nil {
				t.Error(err)
			}
			o.List()
		})
	}
	wg.Wait()
	if n := len(o.List()); n != 50 {
		t.Errorf("%d kept", n)
	}
	if got := codes(open(t, message.OutboxConfig{Path: path, Limit: 50})); got != codes(o) {
		t.Errorf("the file has %s, the outbox %s", got, codes(o))
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Send(cancelled, numbered(999)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
