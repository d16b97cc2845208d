module github.com/connectid-kit/connectid/flows/directory/entra

go 1.26.0

replace github.com/connectid-kit/connectid => ../../..

require (
	github.com/connectid-kit/connectid v0.0.0-00010101000000-000000000000
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/go-jose/go-jose/v4 v4.1.4
	golang.org/x/oauth2 v0.37.0
)
