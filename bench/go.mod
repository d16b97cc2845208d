module github.com/connectid-kit/connectid/bench

go 1.26.0

require (
	github.com/connectid-kit/connectid v0.0.0
	github.com/connectid-kit/connectid/bench/peers v0.0.0
	github.com/connectid-kit/connectid/store/sqlitestore v0.0.0
)

replace (
	github.com/connectid-kit/connectid => ..
	github.com/connectid-kit/connectid/bench/peers => ./peers
	github.com/connectid-kit/connectid/store/sqlitestore => ../store/sqlitestore
)
