// Package openapi holds the API's OpenAPI document against a running server: a
// validator of OpenAPI 3.1 reads the document, and judges live calls and answers
// by it. It has tests only, and stands here because the validator is no module of
// the kit's.
package openapi
