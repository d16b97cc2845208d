// Package clients holds the looks of the two demo newspapers' login pages, as
// the quickstart serves them and the gallery shows them: for each client a
// folder with its logo, its background and its custom.css.
package clients

import "embed"

// Folders has one folder for each client, named by the client ID.
//
//go:embed all:no.mediaconnect.test all:no.mediaconnect.test2
var Folders embed.FS
