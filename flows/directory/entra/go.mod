module github.com/connectid-kit/connectid/flows/directory/entra

go 1.26.0

replace github.com/connectid-kit/connectid => ../../..

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
)
