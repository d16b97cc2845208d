package theme

// svgElements are the elements of SVG that a drawing may use. Not among them:
// script, foreignObject, a, and everything that animates, as an animation can
// set what was checked to something else.
var svgElements = nameSet(
	"svg g defs symbol use title desc switch",
	"path rect circle ellipse line polyline polygon text tspan textPath image",
	"linearGradient radialGradient stop pattern clipPath mask marker style",
	"filter feBlend feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting",
	"feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur",
	"feMerge feMergeNode feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence",
)

// svgDropped are elements that show nothing and are left out.
var svgDropped = nameSet("metadata")

// svgAttributes are the attributes that are kept as they are.
var svgAttributes = nameSet(
	"id class lang role version baseProfile zoomAndPan enable-background",
	"aria-label aria-labelledby aria-hidden aria-describedby focusable",
	"x y x1 y1 x2 y2 cx cy r rx ry fx fy fr dx dy width height viewBox preserveAspectRatio d points pathLength",
	"transform gradientTransform patternTransform gradientUnits patternUnits patternContentUnits spreadMethod offset",
	"clipPathUnits maskUnits maskContentUnits primitiveUnits filterUnits filterRes",
	"markerUnits markerWidth markerHeight refX refY orient",
	"rotate textLength lengthAdjust startOffset method spacing side systemLanguage requiredFeatures requiredExtensions",
	"in in2 result type values mode operator k1 k2 k3 k4 stdDeviation edgeMode order kernelMatrix divisor bias",
	"targetX targetY preserveAlpha kernelUnitLength surfaceScale diffuseConstant specularConstant specularExponent",
	"azimuth elevation pointsAtX pointsAtY pointsAtZ limitingConeAngle z scale xChannelSelector yChannelSelector",
	"radius baseFrequency numOctaves seed stitchTiles tableValues slope intercept amplitude exponent media",
)

// svgStyles are the presentation attributes (SVG 2, section 6.6): their values
// are CSS and are checked as such.
var svgStyles = nameSet(
	"alignment-baseline baseline-shift clip clip-path clip-rule color color-interpolation color-interpolation-filters",
	"color-rendering cursor direction display dominant-baseline fill fill-opacity fill-rule filter flood-color flood-opacity",
	"font font-family font-size font-size-adjust font-stretch font-style font-variant font-weight font-kerning",
	"glyph-orientation-horizontal glyph-orientation-vertical image-rendering isolation kerning letter-spacing lighting-color",
	"marker marker-end marker-mid marker-start mask mask-type mix-blend-mode opacity overflow paint-order pointer-events",
	"shape-rendering stop-color stop-opacity stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin",
	"stroke-miterlimit stroke-opacity stroke-width solid-color solid-opacity text-align text-anchor text-decoration text-rendering",
	"transform-origin unicode-bidi vector-effect visibility white-space word-spacing writing-mode",
)
