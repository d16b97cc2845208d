// Package browser has nothing but tests, which walk connectid in Chromium as
// people use it: through the quickstart's newspapers, and through the gallery of
// all pages.
package browser
