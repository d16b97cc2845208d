package theme_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"regexp"

	"github.com/connectid-kit/connectid/store"
	"github.com/connectid-kit/connectid/theme"
)

func ExampleThemes_Render() {
	themes, err := theme.New(theme.Config{Base: "/user/"})
	if err != nil {
		log.Fatal(err)
	}
	var b bytes.Buffer
	err = themes.Render(context.Background(), &b, theme.Page{
		Client: store.Client{ID: "no.mediaconnect.test", Name: "Fjordposten"},
		Lang:   "nn",
		Flow:   "login",
		State:  "startLoginState",
		Action: "/user/login",
		Values: map[string]string{"credential": "<kari>"},
		Faults: []theme.Fault{{Field: "credential", Text: "fault.credential.invalid"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, line := range []string{`<title>.*`, `value="&lt;kari.*"`, `<p class="fault".*`} {
		fmt.Println(regexp.MustCompile(line).FindString(b.String()))
	}
	// Output:
	// <title>Logg inn – Fjordposten</title>
	// value="&lt;kari&gt;" aria-invalid="true" aria-describedby="j_username-fault"
	// <p class="fault" id="j_username-fault" role="alert">Dette ser korkje ut som ei e-postadresse eller eit mobilnummer. Sjå etter skrivefeil.</p>
}
