package theme

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/connectid-kit/connectid/store"
)

// hostile are values that try to leave the place where they stand.
var hostile = []string{
	"",
	" ",
	"kari@example.com",
	"+47 915 00 000",
	`"><script>alert(1)</script>`,
	`' onfocus=alert(1) autofocus x='`,
	"</title></textarea></style></script><svg/onload=alert(1)>",
	"javascript:alert(1)",
	"&amp;&lt;&#34;&nbsp;&",
	"{{.CSRF}}{{template \"page\"}}",
	"${jndi:ldap://x}%00%0d%0a%[1]s%!d(MISSING)",
	"\x00\x01\x1f\x7f\u0080\u2028\u2029\ufeff\ufffd",
	"\xff\xfe\xc0\x80 invalid",
	"<!--", "-->", "<![CDATA[", "]]>",
	"\u202egnp.exe\u202c \u2066x\u2069",
	"hole" + strings.Repeat("A", 26) + "000",
	strings.Repeat("<", 5000),
	"\uE000 <1>x</1>",
}

func testThemes(t testing.TB, c Config) *Themes {
	t.Helper()
	themes, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return themes
}

func fullPage(state, lang, value string) Page {
	return Page{
		Client: store.Client{
			ID: "no.mediaconnect.test", Name: `Fjord & "Posten"`, Homepage: "https://fjordposten.example/?a=1&b=2",
			CustomerCarePhone: "+47 22 00 00 00", CustomerCareEmail: "care+web@fjordposten.example",
			SubscriptionTermsURL: "https://fjordposten.example/abonnement", UserTermsURL: "https://fjordposten.example/bruker",
		},
		Lang: lang, Flow: "login", State: state, Action: "/user/login",
		Ticket: "t" + value, CSRF: "c" + value, Heading: value, Developer: value,
		Values:  map[string]string{"credential": value, "firstName": value, "lastName": value},
		Args:    map[string]string{"destination": value, "customerNumber": value},
		Choices: []Choice{{Value: value, Name: value, Detail: value}, {Value: "v" + value, Name: "n" + value, Detail: "d" + value, Chosen: true}},
	}
}

// both returns the page as a reader gets it and as html/template makes it whole.
func both(t testing.TB, themes *Themes, p Page) (got, want string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := themes.Render(context.Background(), &a, p); err != nil {
		t.Fatal(err)
	}
	if err := themes.execute(&b, &p, themes.look(p.Client.ID), p.whole); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

func TestFilledIsWhatHTMLTemplateWrites(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{})
	for _, s := range States() {
		for _, value := range hostile {
			for _, faults := range [][]Fault{nil, s.Faults} {
				p := fullPage(s.Name, "nn", value)
				p.Faults = faults
				if got, want := both(t, themes, p); got != want {
					t.Errorf("%s with %q:\n got %s\nwant %s", s.Name, value, got, want)
				}
			}
		}
	}
}

// The standard pages must not fall back to the slow way, whatever they show.
func TestEveryPageIsKept(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{})
	for _, s := range States() {
		for flags := range 1 << len(s.Flags) {
			for _, faults := range append([][]Fault{nil, s.Faults}, singles(s.Faults)...) {
				p := fullPage(s.Name, "fi", "x")
				p.Locked = flags%2 == 1
				p.Flags, p.Faults = map[string]bool{}, faults
				for i, f := range s.Flags {
					p.Flags[f] = flags>>i&1 == 1
				}
				if s, err := themes.skeleton(&p, themes.standard); err != nil || s == nil {
					t.Errorf("%s %v %v: not kept (%v)", p.State, p.Flags, p.Faults, err)
				}
			}
		}
	}
	if n := themes.cache.order.Len(); n > 1024 || n != len(themes.cache.byKey) {
		t.Errorf("%d pages kept under %d keys, want at most 1024 under as many", n, len(themes.cache.byKey))
	}
}

func singles(faults []Fault) (all [][]Fault) {
	for _, f := range faults {
		all = append(all, []Fault{f})
	}
	return all
}

// A client's template may use a value where a hole must not be: the page is then
// rendered whole, and html/template guards it.
func TestUnsafeHolesAreRenderedWhole(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"address":         `<a href="{{.Value "credential"}}">x</a>`,
		"query":           `<a href="/x?q={{.Value "credential"}}">x</a>`,
		"unquoted":        `<p title={{.Value "credential"}}>x</p>`,
		"single quotes":   `<p title='{{.Value "credential"}}'>x</p>`,
		"script":          `<script>var x = {{.Value "credential"}};</script>`,
		"script string":   `<script>var x = "{{.Value "credential"}}";</script>`,
		"style":           `<p style="color: {{.Value "credential"}}">x</p>`,
		"style element":   `<style>p { color: {{.Value "credential"}} }</style>`,
		"event":           `<p onclick="f({{.Value "credential"}})">x</p>`,
		"frame":           `<iframe srcdoc="{{.Value "credential"}}"></iframe>`,
		"condition":       `{{if .Value "credential"}}<p>x</p>{{end}}`,
		"comparison":      `{{if eq (.Value "credential") "0"}}<p>x</p>{{end}}`,
		"formatted":       `{{if eq (printf "%s" (.Value "credential")) "0"}}<p>x</p>{{end}}`,
		"in a text":       `{{if eq (.T "verification.intro" (.Value "credential")) "0"}}<p>x</p>{{end}}`,
		"cut":             `{{printf "%.1000s" (.Value "credential")}}`,
		"length":          `{{len (.Value "credential")}}`,
		"format":          `{{printf "%q" (.Value "credential")}}`,
		"part":            `{{slice (.Value "credential") 0 0}}`,
		"attribute's end": `<p {{.Value "credential"}}="x">x</p>`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmpl := template.Must(template.New("page").Funcs(functions).Parse(content))
			themes := testThemes(t, Config{Logger: slog.New(slog.DiscardHandler)})
			themes.standard.templates = map[string]*template.Template{"startLoginState": tmpl}
			for _, value := range hostile {
				p := fullPage("startLoginState", "nb", value)
				if s, err := themes.skeleton(&p, themes.standard); err != nil || s != nil {
					t.Fatalf("got a skeleton of %q (%v)", content, err)
				}
				if got, want := both(t, themes, p); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestSafeHolesAreKept(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		`<p>{{.Value "credential"}}</p>`,
		`<title>{{.Value "credential"}}</title>`,
		`<textarea>{{.Value "credential"}}</textarea>`,
		`<p title="a {{.Value "credential"}} b" data-x="{{.Arg "destination"}}" aria-label="{{.Heading}}">x</p>`,
		`{{with .Rich "verification.intro" (.Arg "destination")}}<p title="{{.}}">{{.}}</p>{{end}}`,
		`{{.T "verification.intro" (.Arg "destination")}}`,
	} {
		tmpl := template.Must(template.New("page").Funcs(functions).Parse(content))
		themes := testThemes(t, Config{})
		themes.standard.templates = map[string]*template.Template{"startLoginState": tmpl}
		for _, value := range hostile {
			p := fullPage("startLoginState", "nb", value)
			if got, want := both(t, themes, p); got != want {
				t.Errorf("%q with %q: got %q, want %q", content, value, got, want)
			}
		}
	}
}

// What one reader typed must never be part of what is kept for another.
func TestReadersAreKeptApart(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{})
	for _, s := range States() {
		secret := "secret-" + s.Name
		both(t, themes, fullPage(s.Name, "nb", secret))
		if got, _ := both(t, themes, fullPage(s.Name, "nb", "other")); strings.Contains(got, secret) {
			t.Errorf("%s: another reader's value in the page", s.Name)
		}
	}
	for e := themes.cache.order.Front(); e != nil; e = e.Next() {
		for _, part := range e.Value.(*cached).skeleton.parts {
			if bytes.Contains(part.html, []byte("secret-")) {
				t.Errorf("a reader's value is kept: %s", part.html)
			}
		}
	}
}

func TestChangedClientIsShownAtOnce(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{})
	p := fullPage("startLoginState", "nb", "x")
	both(t, themes, p)
	p.Client.Name = "Fjellposten"
	if got, _ := both(t, themes, p); !strings.Contains(got, "Fjellposten") || strings.Contains(got, "Fjord") {
		t.Errorf("the client's old name is shown: %s", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{CachedPages: 3})
	for _, s := range States() {
		both(t, themes, fullPage(s.Name, "nb", "x"))
	}
	if got := len(themes.cache.byKey); got != 3 {
		t.Errorf("%d pages kept, want 3", got)
	}
	none := testThemes(t, Config{CachedPages: -1})
	if got, want := both(t, none, fullPage("startLoginState", "nb", "x")); got != want || len(none.cache.byKey) != 0 {
		t.Errorf("a negative CachedPages keeps %d pages", len(none.cache.byKey))
	}
}

// The benchmarks say by how much a kept page is cheaper; this holds the order of
// magnitude without measuring time.
func TestKeptPageIsCheap(t *testing.T) {
	themes, p := testThemes(t, Config{}), benchPage()
	l := themes.look(p.Client.ID)
	kept := testing.AllocsPerRun(100, func() {
		if err := themes.Render(context.Background(), io.Discard, p); err != nil {
			t.Fatal(err)
		}
	})
	whole := testing.AllocsPerRun(10, func() {
		if err := themes.execute(io.Discard, &p, l, p.whole); err != nil {
			t.Fatal(err)
		}
	})
	if kept > 5 || whole < 20*kept {
		t.Errorf("a kept page allocates %v times, a whole one %v times", kept, whole)
	}
}

func TestRenderIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	themes := testThemes(t, Config{CachedPages: 4}) // fewer than there are pages
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 60 {
				s := States()[(i+j)%len(states)]
				value := fmt.Sprintf("reader-%d-%d", i, j)
				if got, want := both(t, themes, fullPage(s.Name, "da", value)); got != want {
					t.Errorf("%s for %s differs", s.Name, value)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzHoles(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, s)
	}
	themes := testThemes(f, Config{})
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, state := range []string{"startLoginState", "verificationState", "newUserState", "errorPage"} {
			p := fullPage(state, "sv", a)
			p.Heading, p.Args["destination"], p.Values["restartQuery"] = b, b, ""
			if got, want := both(t, themes, p); got != want {
				t.Errorf("%s with %q, %q:\n got %s\nwant %s", state, a, b, got, want)
			}
			p.Values["restartQuery"] = b
			p.State = "expiredPage"
			if got, want := both(t, themes, p); got != want {
				t.Errorf("expiredPage with %q differs", b)
			}
		}
	})
}

func benchPage() Page {
	p := fullPage("startLoginState", "nb", "kari@example.com")
	p.Heading, p.Developer = "", ""
	p.Flags = map[string]bool{"rememberMe": true}
	return p
}

func BenchmarkPageCached(b *testing.B) {
	themes, p := testThemes(b, Config{}), benchPage()
	b.ReportAllocs()
	for b.Loop() {
		if err := themes.Render(b.Context(), io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPageTemplate(b *testing.B) {
	themes, p := testThemes(b, Config{}), benchPage()
	l := themes.look(p.Client.ID)
	b.ReportAllocs()
	for b.Loop() {
		if err := themes.execute(io.Discard, &p, l, p.whole); err != nil {
			b.Fatal(err)
		}
	}
}
