module github.com/connectid-kit/connectid/examples

go 1.26.0

require (
	github.com/connectid-kit/connectid v0.0.0
)

replace github.com/connectid-kit/connectid => ../
