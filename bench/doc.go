// Package bench looks at whole requests through a [connectid.Kit] on every bundled
// store: `make bench` measures them beside the floor under each, the tests let
// many callers meet at one code or token.
package bench
