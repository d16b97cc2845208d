package api

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// amountForm is what an amount looks like: at most ten digits before the point. An
// exponent is what some libraries write 300 as (3E+2).
var amountForm = regexp.MustCompile(`^([0-9]{1,10})(?:\.([0-9]{1,10}))?(?:[eE]([+-]?[0-9]))?$`)

// minor reads an amount into minor units of the currency, exactly. Amounts without a
// currency have two decimals. nil means that there is none.
func minor(name string, n json.Number, currency string) (*int64, error) {
	if n == "" {
		return nil, nil
	}
	digits := 2
	if currency != "" {
		var ok bool
		if digits, ok = publisher.MinorDigits(currency); !ok {
			return nil, badRequest("currency has to be one of ISO 4217")
		}
	}
	bad := badRequest("%s has to be an amount with at most %d decimals", name, digits)
	m := amountForm.FindStringSubmatch(n.String())
	if m == nil {
		return nil, bad
	}
	whole, fraction := m[1], strings.TrimRight(m[2], "0")
	shift := digits - len(fraction)
	if m[3] != "" {
		e, err := strconv.Atoi(m[3])
		if err != nil {
			return nil, bad
		}
		shift += e
	}
	number := strings.TrimLeft(whole+fraction, "0")
	for ; shift < 0 && strings.HasSuffix(number, "0"); shift++ {
		number = strings.TrimSuffix(number, "0")
	}
	if number == "" {
		return new(int64(0)), nil
	}
	if shift < 0 || len(number)+shift > 14 {
		return nil, bad
	}
	v, err := strconv.ParseInt(number+strings.Repeat("0", shift), 10, 64)
	if err != nil {
		return nil, bad
	}
	return &v, nil
}
