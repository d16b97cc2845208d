package theme

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"image"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/connectid-kit/connectid/internal/keys"
	"github.com/connectid-kit/connectid/store"
)

const goodClient = `{
	"clientId": "no.a.test", "partnerId": "avisen", "disabled": true,
	"name": "Avisen", "description": "The paper", "homepage": "https://www.a.test/",
	"customerCarePhone": "+47 22 33 44 55", "customerCareEmail": "help@a.test", "product": "AVI",
	"subscriptionTermsUrl": "https://www.a.test/terms", "userTermsUrl": "https://www.a.test/privacy",
	"language": "nb", "region": "NO", "guiVersion": 2,
	"targets": ["https://www.a.test", "http://localhost:8080/x"], "redirectUris": ["https://www.a.test/back", "app.a:/back"],
	"insecureRedirectPrefixes": ["https://www.a.test/articles/"], "insecureAllowHttp": true,
	"secretHashes": ["sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"],
	"grantTypes": ["authorization_code"], "scopes": ["profile"],
	"insecureSkipPkce": true, "omitIssuer": true, "keepRefreshToken": true, "mayIntrospect": true,
	"consentRequired": true, "requirePar": true, "requireDpop": true, "resources": ["https://api.a.test/v1"],
	"postLogoutRedirectUris": ["https://www.a.test/bye"], "backchannelLogoutUri": "https://www.a.test/backchannel?of=a", "idTokenAlg": "RS256",
	"sealedPaymentSecrets": ["AQ` + sealed + `"], "priceOverride": true,
	"accessLifetime": "1h", "refreshLifetime": "720h", "passwordOptional": true,
	"callsPerMinute": 1, "callsPerSecond": 2, "sendsPerHour": 3
}
`

// sealed stands for the rest of a payment secret that is sealed.
const sealed = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

// testSheet is the documents' default custom.css with something of ours.
const testSheet = `.guiVersion2 body {
    background-size: cover;
    background-image: url(./connectid_background_oslo.jpg);
}
@font-face { font-family: x; src: url("fonts/kit.woff2?v=1#a") }
.logo { background: url(logo.svg), image-set(url('connectid_background_oslo.jpg') 1x); mask: url(background.jpg) }
`

func noisy(t testing.TB, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	x := uint32(1)
	for i := range m.Pix {
		x = x*1664525 + 1013904223
		m.Pix[i] = byte(x>>24) | byte(255*(i&3/3))
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 0xff
	}
	f, err := encodePicture("x", m, true)
	if err != nil {
		t.Fatal(err)
	}
	return f.Data
}

func goodFolder(t testing.TB) fstest.MapFS {
	return fstest.MapFS{
		"client.json":                   {Data: []byte(goodClient)},
		"logo.svg":                      {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 318 64"/>`)},
		"background.jpg":                {Data: photo(t, 1400, 700)},
		"connectid_background_oslo.jpg": {Data: noisy(t, 1400, 500)},
		"fonts/kit.woff2":               {Data: []byte("wOF2....")},
		"custom.css":                    {Data: []byte(testSheet)},
		"texts.json":                    {Data: []byte(`{"nb": {"login.heading": "Velkommen"}}`)},
		"templates/startLoginState.html": {
			Data: []byte(`{{define "x"}}{{end}}`)},
		".DS_Store": {Data: []byte("x")},
	}
}

func TestLoadFolder(t *testing.T) {
	t.Parallel()
	f, err := LoadFolder(goodFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	want := store.Client{
		ID: "no.a.test", PartnerID: "avisen", Disabled: true, Name: "Avisen", Description: "The paper", Homepage: "https://www.a.test/",
		CustomerCarePhone: "+47 22 33 44 55", CustomerCareEmail: "help@a.test", Product: "AVI",
		SubscriptionTermsURL: "https://www.a.test/terms", UserTermsURL: "https://www.a.test/privacy",
		Language: "nb", Region: "NO", GUIVersion: 2,
		Targets: []string{"https://www.a.test", "http://localhost:8080/x"}, RedirectURIs: []string{"https://www.a.test/back", "app.a:/back"},
		InsecureRedirectPrefixes: []string{"https://www.a.test/articles/"}, InsecureAllowHTTP: true,
		Secrets: []string{"sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"profile"},
		InsecureSkipPKCE: true, OmitIssuer: true, KeepRefreshToken: true, MayIntrospect: true,
		ConsentRequired: true, RequirePAR: true, RequireDPoP: true, Resources: []string{"https://api.a.test/v1"},
		PostLogoutRedirectURIs: []string{"https://www.a.test/bye"}, BackchannelLogoutURI: "https://www.a.test/backchannel?of=a", IDTokenAlg: "RS256",
		PaymentSecrets: []string{"AQ" + sealed}, PriceOverride: true,
		AccessLifetime: time.Hour, RefreshLifetime: 720 * time.Hour, PasswordOptional: true, CallsPerMinute: 1, CallsPerSecond: 2, SendsPerHour: 3,
	}
	if !reflect.DeepEqual(f.Client, want) || !f.HasClient {
		t.Errorf("client\n got %+v\nwant %+v", f.Client, want)
	}
	if f.Logo == nil || f.Background == nil || f.Templates == nil || len(f.Warnings) > 0 {
		t.Errorf("logo %v, background %v, templates %v, warnings %v", f.Logo, f.Background, f.Templates, f.Warnings)
	}
	if got := f.Texts.Get("nb", "login.heading"); got != "Velkommen" {
		t.Errorf("heading %q", got)
	}
}

// TestClientFields finds a name in client.json for every field of the record.
func TestClientFields(t *testing.T) {
	t.Parallel()
	var c store.Client
	known := make(map[any]bool)
	for _, p := range clientFields(&c) {
		known[p] = true
	}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "UpdatedAt" && !known[v.Field(i).Addr().Interface()] {
			t.Errorf("client.json has no name for %s", name)
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	f, err := LoadFolder(goodFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	s := newAssetSet("/user/")
	p, err := f.publish(s)
	if err != nil {
		t.Fatal(err)
	}
	if p.LogoWidth != 318 || p.LogoHeight != 64 || !strings.HasSuffix(p.Logo, "/logo.svg") {
		t.Errorf("logo %+v", p)
	}
	fetch := func(path string) string {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	sheet := fetch(p.Stylesheet)
	short := regexp.MustCompile(`/user/theme/no\.a\.test/[0-9a-f]{20}/`).ReplaceAllString(sheet, "…")
	want := `@layer connectid{` +
		`:root{--connectid-background:url("…background-1280.jpg");--connectid-image-2:url("…connectid_background_oslo-1280.jpg");}` +
		`@media (max-width:640px) and (max-resolution:1.49dppx){:root{--connectid-background:url("…background-640.jpg");--connectid-image-2:url("…connectid_background_oslo-640.jpg");}}` +
		`@media (min-width:1281px),(min-width:641px) and (min-resolution:1.5dppx){:root{--connectid-background:url("…background-1400.jpg");--connectid-image-2:url("…connectid_background_oslo-1400.jpg");}}` +
		`@media (min-width:1921px),(min-width:1281px) and (min-resolution:1.5dppx){:root{--connectid-background:url("…background-1400.jpg");--connectid-image-2:url("…connectid_background_oslo-1400.jpg");}}` +
		`}
.guiVersion2 body {
background-size: cover;
background-image: var(--connectid-image-2);
}
@font-face { font-family: x; src: url("…kit.woff2#a") }
.logo { background: url("…logo.svg"), image-set(url("…connectid_background_oslo-1400.jpg") 1x); mask: var(--connectid-background) }
`
	if short != want {
		t.Errorf("sheet\n got %s\nwant %s", short, want)
	}
	for _, m := range regexp.MustCompile(`url\("([^"#]*)`).FindAllStringSubmatch(sheet, -1) {
		fetch(m[1])
	}
	// What is served is itself a sheet that a client could have written.
	if _, err := SafeCSS([]byte(sheet), func(ref string) (string, bool) { return ref, strings.HasPrefix(ref, "/user/theme/no.a.test/") }); err != nil {
		t.Errorf("the sheet served: %v", err)
	}
}

func TestLoadFolderFaults(t *testing.T) {
	t.Parallel()
	_, err := LoadFolders(fstest.MapFS{
		"README":                     {Data: []byte("not a folder")},
		".git/config":                {Data: []byte("x")},
		"no.good.test/logo.svg":      {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
		"no.a.test/client.json":      {Data: []byte("{\n \"clientId\": \"no.b.test\",\n \"secret\": \"hunter2\",\n \"colour\": 1, \"colour\": 2,\n \"homepage\": \"/x\",\n \"homepage\": \"https://x.test/\",\n \"language\": \"xx\",\n \"targets\": [\"https://x.test\",\n   \"ftp://x.test\", \"http://x.test\"],\n \"secretHashes\": [\"hunter2\"],\n \"accessLifetime\": 5, \"guiVersion\": 3, \"callsPerMinute\": -1,\n \"name\": null, \"product\": \" \", \"customerCareEmail\": \"Kari <k@x.test>\", \"public\": true,\n \"resources\": [\"/v1\", \"https://a.test/#x\"], \"postLogoutRedirectUris\": [\"//x\"],\n \"backchannelLogoutUri\": \"http://x.test/\", \"idTokenAlg\": \"none\",\n \"sealedPaymentSecrets\": [\"hunter2\"], \"priceOverride\": true\n}\ntrailing")},
		"no.a.test/logo.svg":         {Data: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\">\n<script/></svg>")},
		"no.a.test/logo.png":         {Data: []byte("x")},
		"no.a.test/background.svg":   {Data: []byte("<svg/>")},
		"no.a.test/custom.css":       {Data: []byte("a { color: red }\nb { background: url(x.png) url(../no.good.test/logo.svg) url(client.json) }")},
		"no.a.test/texts.json":       {Data: []byte("{\n \"nb\": {\n  \"login.nothing\": \"x\" },\n \"xx\": {} }")},
		"no.a.test/page.js":          {Data: []byte("alert(1)")},
		"no.a.test/fonts/a.woff2":    {Data: []byte("MZ")},
		"no.a.test/a b.png":          {Data: []byte("x")},
		"no.broken.test/client.json": {Data: []byte("{\n \"name\": \"x\",\n oops }")},
		"bad id/logo.svg":            {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)},
	})
	faults, ok := errors.AsType[FileFaults](err)
	if !ok {
		t.Fatalf("error is %T: %v", err, err)
	}
	got := faults.Error() + "\n"
	const golden = "testdata/folder-faults.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got != string(want) {
		t.Errorf("%v\n got\n%s\nwant\n%s", err, got, want)
	}
	if strings.Contains(got, "hunter2") {
		t.Error("a secret is in the faults")
	}
}

func TestLoadFoldersByName(t *testing.T) {
	t.Parallel()
	folders, err := LoadFolders(fstest.MapFS{
		"no.b.test/custom.css": {Data: []byte("a{color:red}")},
		"no.a.test/logo.png":   {Data: pngOf(t, image.NewGray(image.Rect(0, 0, 10, 10)))},
	})
	if err != nil || len(folders) != 2 || folders[0].Client.ID != "no.a.test" || folders[1].Client.ID != "no.b.test" || folders[0].HasClient {
		t.Fatalf("%+v, %v", folders, err)
	}
	text := folders[0].Warnings.Error()
	if !strings.Contains(text, "no.a.test/logo.png: the logo is 10 × 10 px") || !strings.Contains(text, "no.a.test: no background.jpg") {
		t.Errorf("warnings:\n%s", text)
	}
	p, err := folders[1].publish(newAssetSet("/"))
	if err != nil || p.Stylesheet == "" || p.Logo != "" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := (Folder{}).publish(newAssetSet("/")); err == nil {
		t.Error("a folder of nobody was published")
	}
}

func FuzzClientFile(f *testing.F) {
	f.Add([]byte(goodClient))
	f.Add([]byte(`{"targets": [1, {"a": ["b"]}], "name": null} x`))
	f.Add([]byte(`{"a"`))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, faults := parseClient(src)
		if len(faults) > 0 {
			for _, fault := range faults {
				if fault.Line < 1 || fault.Line > bytes.Count(src, []byte("\n"))+1 || fault.Column < 1 {
					t.Errorf("no such place: %v", fault)
				}
			}
			return
		}
		if !clientIDForm.MatchString(c.ID) || c.Name == "" || c.Homepage == "" {
			t.Errorf("taken: %+v", c)
		}
	})
}

// What the kit seals passes, the shortest and the longest, and the secret itself does
// not.
func TestSealedForm(t *testing.T) {
	t.Parallel()
	ring, err := keys.New([][]byte{bytes.Repeat([]byte{7, 8}, 16)})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{64, 1024} {
		secret := bytes.Repeat([]byte("ab"), n/2)
		b, err := ring.Seal("payment secret", "no.a.test", secret)
		if err != nil {
			t.Fatal(err)
		}
		if s := base64.RawURLEncoding.EncodeToString(b); !sealedForm.MatchString(s) {
			t.Errorf("%d sealed bytes are refused: %s", n, s)
		}
		for _, bad := range []string{string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret)} {
			if sealedForm.MatchString(bad) {
				t.Errorf("a secret passes for a sealed one: %s", bad)
			}
		}
	}
}
