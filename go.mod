module github.com/connectid-kit/connectid

go 1.26.0

require github.com/gorilla/securecookie v1.1.2
