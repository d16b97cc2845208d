// Package zitadel gives the work to github.com/zitadel/oidc.
package zitadel
