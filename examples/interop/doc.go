// Package interop has only tests: client libraries that others wrote sign readers
// in at a running kit, over real connections. One site is written with the words
// of the ConnectID documents alone, one with coreos/go-oidc and golang.org/x/oauth2,
// and one with npm's openid-client.
package interop
