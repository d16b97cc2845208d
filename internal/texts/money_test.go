package texts_test

import (
	"math"
	"testing"

	"github.com/connectid-kit/connectid/internal/texts"
)

func TestMoney(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount   int64
		currency string
		want     map[string]string // ~ is a space that does not break
	}{
		{29900, "NOK", map[string]string{
			"nb": "299,00~kr", "nn": "299,00~kr", "sv": "299,00~NOK", "da": "299,00~NOK", "fi": "299,00~NOK", "en": "NOK~299.00",
		}},
		{123450, "SEK", map[string]string{
			"nb": "1~234,50~SEK", "nn": "1~234,50~SEK", "sv": "1~234,50~kr", "da": "1.234,50~SEK", "fi": "1~234,50~SEK", "en": "SEK~1,234.50",
		}},
		{123456789, "DKK", map[string]string{
			"nb": "1~234~567,89~DKK", "nn": "1~234~567,89~DKK", "sv": "1~234~567,89~DKK", "da": "1.234.567,89~kr.", "fi": "1~234~567,89~DKK", "en": "DKK~1,234,567.89",
		}},
		{29900, "EUR", map[string]string{
			"nb": "299,00~€", "nn": "299,00~€", "sv": "299,00~€", "da": "299,00~€", "fi": "299,00~€", "en": "€299.00",
		}},
		{4990, "ISK", map[string]string{
			"nb": "4~990~ISK", "nn": "4~990~ISK", "sv": "4~990~ISK", "da": "4.990~ISK", "fi": "4~990~ISK", "en": "ISK~4,990",
		}},
		{5, "NOK", map[string]string{
			"nb": "0,05~kr", "nn": "0,05~kr", "sv": "0,05~NOK", "da": "0,05~NOK", "fi": "0,05~NOK", "en": "NOK~0.05",
		}},
		{0, "SEK", map[string]string{
			"nb": "0,00~SEK", "nn": "0,00~SEK", "sv": "0,00~kr", "da": "0,00~SEK", "fi": "0,00~SEK", "en": "SEK~0.00",
		}},
		{-10050, "EUR", map[string]string{
			"nb": "−100,50~€", "nn": "−100,50~€", "sv": "−100,50~€", "da": "-100,50~€", "fi": "−100,50~€", "en": "-€100.50",
		}},
		{1234567, "KWD", map[string]string{
			"nb": "1~234,567~KWD", "nn": "1~234,567~KWD", "sv": "1~234,567~KWD", "da": "1.234,567~KWD", "fi": "1~234,567~KWD", "en": "KWD~1,234.567",
		}},
		{100000, "GBP", map[string]string{
			"nb": "1~000,00~£", "nn": "1~000,00~£", "sv": "1~000,00~£", "da": "1.000,00~£", "fi": "1~000,00~£", "en": "£1,000.00",
		}},
		{100000, "", map[string]string{
			"nb": "1~000,00", "nn": "1~000,00", "sv": "1~000,00", "da": "1.000,00", "fi": "1~000,00", "en": "1,000.00",
		}},
		{math.MinInt64, "EUR", map[string]string{"en": "-€92,233,720,368,547,758.08"}},
		{math.MaxInt64, "JPY", map[string]string{"nb": "9~223~372~036~854~775~807~JPY"}},
		{100, "NOK", map[string]string{"de": texts.Money(texts.Default, 100, "NOK")}},
	} {
		for lang, want := range tt.want {
			runes := []rune(want)
			for i, c := range runes {
				if c == '~' {
					runes[i] = '\u00a0'
				}
			}
			if got := texts.Money(lang, tt.amount, tt.currency); got != string(runes) {
				t.Errorf("Money(%s, %d, %q) = %q; want %q", lang, tt.amount, tt.currency, got, string(runes))
			}
		}
	}
}
