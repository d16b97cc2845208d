package account_test

import (
	"fmt"

	"github.com/connectid-kit/connectid/flows/account"
)

func ExampleParseCredential() {
	for _, raw := range []string{" Ola.Nordmann@Example.COM", "406 12 345", "ola@"} {
		c, err := account.ParseCredential(raw, "NO")
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(c.Identity, c.Masked())
	}
	// Output:
	// ola.nordmann@example.com o•••@example.com
	// +4740612345 +47 ••• •• 345
	// account: neither a mail address nor a phone number
}
