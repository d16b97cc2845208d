module github.com/connectid-kit/connectid

go 1.26.0

require (
	github.com/gorilla/securecookie v1.1.2
	github.com/nyaruka/phonenumbers v1.8.1
	golang.org/x/crypto v0.58.0
	golang.org/x/net v0.62.0
)

require (
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)

require (
	github.com/go-jose/go-jose/v4 v4.1.4
	github.com/justinas/nosurf v1.2.0
	github.com/tdewolff/parse/v2 v2.8.20
	golang.org/x/text v0.43.0
	golang.org/x/time v0.16.0
)
