package httpjson_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/httpjson"
)

// The publisher's side: ten lines that take orders, each once.
func Example() {
	secrets := map[string][]byte{"2026": []byte("32 random bytes that both know..")}
	customers := map[int64]int64{} // by order, as the publisher's database would keep them
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || httpjson.Verify(r, body, secrets, 5*time.Minute) != nil {
			http.Error(w, "who is this?", http.StatusUnauthorized)
			return
		}
		var call httpjson.Call
		if err := json.Unmarshal(body, &call); err != nil {
			http.Error(w, "not an order", http.StatusBadRequest)
			return
		}
		if customers[call.OrderID] == 0 {
			fmt.Println("taken:", call.Order.OrderLines[0].Product, call.Amount, call.Currency)
			customers[call.OrderID] = 100017
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"customerNumber": %d, "newCustomer": true}`, customers[call.OrderID])
	}))
	defer crm.Close()

	desk, err := httpjson.New(httpjson.Config{URL: crm.URL, Secret: secrets["2026"], KeyID: "2026", InsecureAllowHTTP: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	paid := order.HandOver{OrderID: 4711, PartnerID: "no.newspaper", Amount: 29900, Currency: "NOK",
		Content: order.Content{Lines: []order.Line{{SpecType: "coupon", SpecCode: "TRY", SpecNo: 1, Product: "PAPER", Quantity: 1, Price: 29900}}}}
	for range 2 { // the answer to the first may have been lost
		receipt, err := desk.Take(context.Background(), paid)
		fmt.Println("customer:", receipt.CustomerNumber, err)
	}
	// Output:
	// taken: PAPER 29900 NOK
	// customer: 100017 <nil>
	// customer: 100017 <nil>
}
