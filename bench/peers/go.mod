module github.com/connectid-kit/connectid/bench/peers

go 1.26.0
