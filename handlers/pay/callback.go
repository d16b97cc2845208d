package pay

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
)

// callback serves callback/{merchant}/{method}[/{payment}/{proof}]. Providers call
// again after anything but 200 and 4xx.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return notAllowed(w, "GET, POST")
	}
	if err := count(r.Context(), w.Header(), s.callers, s.c.Addresses.KeyOf(r)); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.c.MaxCallback))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLarge", Message: "the body is too large", Code: "invalid_request"}
		}
		return badRequest("the body could not be read")
	}
	// Some providers sign the address: it is the configured one, whatever Host and
	// proxies say.
	address := s.c.URL + "/" + strings.TrimPrefix(r.URL.EscapedPath(), s.prefix)
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	err = s.c.Payments.ReadCallback(r.Context(), r.PathValue("proof"), order.Callback{
		MerchantID: r.PathValue("merchant"), Method: order.Method(r.PathValue("method")), PaymentID: r.PathValue("payment"),
		HTTPMethod: r.Method, URL: address, Header: r.Header, Body: body, Address: s.c.Addresses.Of(r), At: time.Now(),
	})
	if err != nil {
		return err
	}
	write(w, r, http.StatusOK, "application/json; charset=utf-8", []byte("{}"))
	return nil
}
