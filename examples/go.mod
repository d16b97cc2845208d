module github.com/connectid-kit/connectid/examples

go 1.26.0

require github.com/connectid-kit/connectid v0.0.0

require (
	github.com/chromedp/cdproto v0.159.0 // indirect
	github.com/chromedp/chromedp v0.23.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
)

replace github.com/connectid-kit/connectid => ../
