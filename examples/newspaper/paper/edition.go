package paper

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed editions art templates static
var files embed.FS

// Edition is what a newspaper prints: its name, its words and its articles.
type Edition struct {
	Name     string            `json:"name"`
	Slug     string            `json:"slug"`
	Lang     string            `json:"lang"`
	Tagline  string            `json:"tagline"`
	Sections []string          `json:"sections"`
	UI       map[string]string `json:"ui"`
	Palette  map[string]string `json:"palette"` // the colours of the drawings in art/
	Articles []Article         `json:"articles"`
}

// Article is one story. A locked one is for readers who are logged in and whom
// connectid's access API lets read it: everybody, or subscribers alone.
type Article struct {
	Slug        string   `json:"slug"`
	Section     string   `json:"section"`
	Locked      bool     `json:"locked"`
	Subscribers bool     `json:"subscribers"`
	Art         string   `json:"art"`
	Author      string   `json:"author"`
	Minutes     int      `json:"minutes"`
	Published   string   `json:"published"`
	Title       string   `json:"title"`
	Lead        string   `json:"lead"`
	Body        []string `json:"body"`
}

// Editions lists the slugs of the editions that come with the package.
func Editions() []string { return []string{"fjordposten", "skargardsnytt"} }

// LoadEdition returns the edition with the given slug.
func LoadEdition(slug string) (*Edition, error) {
	if !slices.Contains(Editions(), slug) {
		return nil, fmt.Errorf("unknown edition %q: want one of %q", slug, Editions())
	}
	raw, err := files.ReadFile("editions/" + slug + "/edition.json")
	if err != nil {
		return nil, err
	}
	e := &Edition{}
	if err := json.Unmarshal(raw, e); err != nil {
		return nil, fmt.Errorf("edition %s: %w", slug, err)
	}
	return e, nil
}

// Article returns the article with the given slug; false when there is none.
func (e *Edition) Article(slug string) (Article, bool) {
	for _, a := range e.Articles {
		if a.Slug == slug {
			return a, true
		}
	}
	return Article{}, false
}

// Country is where the edition is read (ISO 3166 alpha-2).
func (e *Edition) Country() string {
	if e.Lang == "sv" {
		return "SE"
	}
	return "NO"
}

// Text returns the edition's word for the given key, with {name} replaced by
// the value that follows it in pairs.
func (e *Edition) Text(key string, pairs ...any) string {
	text, ok := e.UI[key]
	if !ok {
		return key
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return text
}

// drawing returns art/<name>.svg in the edition's colours.
func (e *Edition) drawing(name string) ([]byte, error) {
	raw, err := files.ReadFile("art/" + name + ".svg")
	if err != nil {
		return nil, err
	}
	svg := string(raw)
	for colour, value := range e.Palette {
		svg = strings.ReplaceAll(svg, "var-"+colour, value)
	}
	return []byte(svg), nil
}
