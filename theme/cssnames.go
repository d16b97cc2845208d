package theme

import "strings"

func nameSet(lists ...string) map[string]bool {
	m := make(map[string]bool)
	for _, list := range lists {
		for _, name := range strings.Fields(list) {
			m[name] = true
		}
	}
	return m
}

// cssFunctions are the functions that a value may use. Not among them: src()
// and image(), which take addresses as strings; element() and paint(); attr(),
// which carries what a page holds into style; expression() and the filters of
// old browsers.
var cssFunctions = nameSet(
	"calc min max clamp round mod rem sin cos tan asin acos atan atan2 pow sqrt hypot log exp abs sign",
	"var env minmax fit-content repeat calc-size anchor anchor-size",
	"rgb rgba hsl hsla hwb lab lch oklab oklch color color-mix light-dark device-cmyk contrast-color",
	"linear-gradient radial-gradient conic-gradient repeating-linear-gradient repeating-radial-gradient repeating-conic-gradient",
	"-webkit-linear-gradient -webkit-radial-gradient -webkit-gradient -webkit-repeating-linear-gradient from to color-stop",
	"-moz-linear-gradient -moz-radial-gradient -o-linear-gradient",
	"image-set -webkit-image-set cross-fade -webkit-cross-fade type",
	"blur brightness contrast drop-shadow grayscale hue-rotate invert opacity saturate sepia",
	"matrix matrix3d translate translate3d translatex translatey translatez scale scale3d scalex scaley scalez",
	"rotate rotate3d rotatex rotatey rotatez skew skewx skewy perspective",
	"cubic-bezier steps linear inset circle ellipse polygon path rect xywh shape ray",
	"counter counters symbols local format tech stylistic styleset character-variant swash ornaments annotation",
	"scroll view",
)

// cssImageSets are the functions in which a string is an address.
var cssImageSets = nameSet("image-set -webkit-image-set")

// cssConditions are the functions that a prelude of @supports, @container and
// @media may use, beside those of values.
var cssConditions = nameSet("selector font-tech font-format style scroll-state not")

// cssProperties that are refused: they ran script in some browser.
var cssRefused = nameSet("behavior -ms-behavior -moz-binding -ms-filter -o-link -o-link-source")

// blockKind says what may stand in a block.
type blockKind int

const (
	noBlock        blockKind = iota // the rule ends with a semicolon
	rulesBlock                      // rules; inside a style rule declarations too
	styleBlock                      // declarations and nested rules
	descriptors                     // declarations only
	keyframes                       // from, to and percentages with declarations
	fontFace                        // descriptors in which url() is a font
	rulesOrNothing                  // @layer
)

// cssAtRules are the at-rules that are allowed, with what their block holds.
var cssAtRules = map[string]blockKind{
	"media": rulesBlock, "supports": rulesBlock, "container": rulesBlock, "scope": rulesBlock,
	"starting-style": rulesBlock, "layer": rulesOrNothing,
	"keyframes": keyframes, "-webkit-keyframes": keyframes, "-moz-keyframes": keyframes, "-o-keyframes": keyframes,
	"font-face": fontFace, "property": descriptors, "counter-style": descriptors,
}

// cssAtReasons say what to do instead of an at-rule that is refused.
var cssAtReasons = map[string]string{
	"import":    "put the rules themselves here",
	"charset":   "the file is always UTF-8; leave the rule out",
	"namespace": "pages are HTML only; leave the rule out",
}
