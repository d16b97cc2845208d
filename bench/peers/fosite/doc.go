// Package fosite gives the work to github.com/ory/fosite.
package fosite
