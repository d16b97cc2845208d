package api

import (
	"encoding/json"
	"strconv"

	"github.com/connectid-kit/connectid/flows/publisher"
)

// money writes an amount in minor units of the currency as a number with at most
// two decimals.
func money(minor int64, currency string) json.Number {
	digits, ok := publisher.MinorDigits(currency)
	if !ok {
		digits = 2
	}
	return shifted(minor, digits)
}

// decimal writes hundredths as a number with at most two decimals.
func decimal(hundredths int64) json.Number { return shifted(hundredths, 2) }

// shifted writes n with the decimal point moved left by digits, 0 to 2.
func shifted(n int64, digits int) json.Number {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for len(s) <= digits {
		s = "0" + s
	}
	point := len(s) - digits
	whole, fraction := s[:point], s[point:]
	for fraction != "" && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return json.Number(sign + whole)
}
