package vipps_test

import (
	"testing"

	"github.com/connectid-kit/connectid/flows/order"
	"github.com/connectid-kit/connectid/flows/order/ordertest"
)

// Both methods keep the contract of providers.
func TestProvider(t *testing.T) {
	t.Parallel()
	for _, m := range methods {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			ordertest.Run(t, func(t *testing.T) ordertest.Subject {
				s := newSimulator(t)
				end := func(payment, agreement string) func(*testing.T, order.Ref) {
					return func(t *testing.T, r order.Ref) {
						s.with(func() {
							if m == order.VippsEcommerce {
								s.payments[r.ID].State = payment
								return
							}
							s.agreements[agreementOf(r)].Status = agreement
							s.cancelled(s.charges[r.ID])
						})
					}
				}
				in := start(m)
				in.ID, in.Key = "", ""
				return ordertest.Subject{
					Provider: newProvider(t, s, nil), Start: in, OnlyRecurring: m == order.VippsRecurring,
					Agree:   func(t *testing.T, r order.Ref) { s.agree(r) },
					Decline: end("EXPIRED", "EXPIRED"), GiveUp: end("ABORTED", "STOPPED"),
				}
			})
		})
	}
}
