package message_test

import (
	"context"
	"fmt"
	"time"

	"github.com/connectid-kit/connectid/flows/message"
	"github.com/connectid-kit/connectid/store"
)

// A sender takes composed messages; the outbox is the one for development.
func ExampleComposer() {
	composer, err := message.NewComposer(message.ComposerConfig{BaseURL: "https://login.example.com/user/"})
	if err != nil {
		panic(err)
	}
	outbox, err := message.NewOutbox(message.OutboxConfig{})
	if err != nil {
		panic(err)
	}
	sender := message.Router{message.SMS: outbox}

	m, err := composer.Compose(message.Letter{
		Kind: message.LoginCode, Channel: message.SMS, To: "+4740612345", Lang: "en",
		Client: store.Client{ID: "no.example", Name: "The Daily"}, Code: "042711", Valid: 10 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	if err := sender.Send(context.Background(), m); err != nil {
		panic(err)
	}
	fmt.Println(outbox.List()[0].Text)
	// Output:
	// 042711 is your code for The Daily. It is valid for 10 minutes. Never give it to anyone.
	//
	// @login.example.com #042711
}
