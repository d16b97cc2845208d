// Package bench measures whole requests through a [connectid.Kit], on the memory
// store and on SQLite, beside the floor under each: `make bench` prints them.
package bench
