// Package gooauth2 gives the work to github.com/go-oauth2/oauth2: once with the
// library's own memory store, once with plain maps.
package gooauth2
