package texts

import (
	"strconv"
	"strings"
)

// The spaces of amounts: they keep number and currency on one line.
const nbsp = "\u00a0"

// minorDigits are the decimals of the currencies that have not two (ISO 4217,
// minor unit).
var minorDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0,
	"UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// crowns are what a language calls the crowns of its own country. Another
// country's go by their code, as "kr" would be read as the reader's own.
var crowns = map[string]struct{ currency, word string }{
	"nb": {"NOK", "kr"},
	"nn": {"NOK", "kr"},
	"sv": {"SEK", "kr"},
	"da": {"DKK", "kr."},
}

// signs are the currencies that are known by their sign in all the languages.
var signs = map[string]string{"EUR": "€", "GBP": "£"}

// Money writes an amount in minor units of the currency (ISO 4217) as the language
// does: 1 234,50 kr in Norwegian and Swedish, 1.234,50 kr. in Danish, 1 234,50 € in
// Finnish, NOK 1,234.50 and €1,234.50 in English (CLDR, currency formats). The
// spaces do not break. Without a currency it is the number alone, with two decimals.
func Money(lang string, amount int64, currency string) string {
	digits, special := minorDigits[currency]
	if !special {
		digits = 2
	}
	group, point := nbsp, ","
	switch lang = known(lang); lang {
	case "da":
		group = "."
	case "en":
		group, point = ",", "."
	}
	number := decimal(amount, digits, group, point)
	minus := ""
	if amount < 0 {
		minus = "−"
		if lang == "en" || lang == "da" {
			minus = "-"
		}
	}
	name := currency
	if own := crowns[lang]; own.currency == currency && currency != "" {
		name = own.word
	} else if sign, ok := signs[currency]; ok {
		name = sign
	}
	switch {
	case currency == "":
		return minus + number
	case lang == "en" && name != currency: // a sign
		return minus + name + number
	case lang == "en":
		return minus + name + nbsp + number
	}
	return minus + number + nbsp + name
}

// decimal writes the amount without its sign.
func decimal(amount int64, digits int, group, point string) string {
	u := uint64(amount)
	if amount < 0 {
		u = -u // right for the least int64 too
	}
	s := strconv.FormatUint(u, 10)
	if short := digits + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, rest := s[:len(s)-digits], s[len(s)-digits:]
	var b strings.Builder
	for i, c := range whole {
		if left := len(whole) - i; i > 0 && left%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(c)
	}
	if rest != "" {
		b.WriteString(point + rest)
	}
	return b.String()
}
