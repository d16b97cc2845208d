package browser_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/order/sandbox"
)

// plusStory is for subscribers.
const plusStory = "/article/orgelet"

var bankFrame = regexp.MustCompile(`/bank/`)

// shopping is a reader who subscribes to nothing yet, at the quickstart's shop.
func shopping(t *testing.T, d *demo) *tab {
	t.Helper()
	b := newBrowser(t)
	other := d.Users[2] // Kari's other account
	d.login(b, d.fjord(), other.Credential, other.Password)
	b.open(d.fjord() + plusStory)
	b.sees("#wall")
	return b
}

// choose fills in the shop's form and presses one of its buttons.
func (d *demo) choose(b *tab, button string) {
	b.t.Helper()
	b.open(d.fjord() + "/subscribe")
	b.fill("#lastName", "Nordmann")
	b.fill("#postalCode", "9008")
	b.click(button)
}

// opensDrawer shows the list of test cards in the bank's frame, which the page around
// it makes as high as what is in it: what moves can not be clicked.
func (b *tab) opensDrawer() {
	b.t.Helper()
	const settled = `document.documentElement.scrollHeight <= window.innerHeight + 1`
	b.until(settled)
	b.click(".drawer summary")
	b.until(`document.querySelector(".drawer details").open && ` + settled)
}

// pays has the payer use one of the bank's cards, on its page or in its frame.
func (b *tab) pays(card sandbox.Outcome) {
	b.t.Helper()
	b.until(`document.querySelector('button[value="pay"]') !== null`)
	b.testCard(card)
	b.click(`button[value="pay"]`)
}

// subscribes checks the receipt, and that the story is open.
func (d *demo) subscribes(b *tab) {
	b.t.Helper()
	b.until(`document.querySelector("#doneBought") !== null`)
	if got := b.sees("#amount"); got != "249\u00a0kr" {
		b.t.Errorf("the receipt says %q", got)
	}
	b.click("#read")
	b.at(d.fjord() + plusStory)
	b.sees("#body")
	if b.has("#wall") {
		b.fatalf("who has paid does not read")
	}
}

// untouched checks that nothing was bought.
func (d *demo) untouched(b *tab) {
	b.t.Helper()
	b.open(d.fjord() + plusStory)
	b.sees("#wall")
}

// A reader subscribes in the newspaper's own page: she cancels, is declined, and
// pays (ConnectID: paymentFlow seamless).
func TestSubscribeSeamless(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := shopping(t, d)

	d.choose(b, "#pay-seamless")
	b.frame(bankFrame).click(`button[value="cancel"]`)
	b.until(`document.querySelector("#pay-state").innerText.includes("avbrøt")`)
	d.untouched(b)

	d.choose(b, "#pay-seamless")
	frame := b.frame(bankFrame)
	frame.opensDrawer()
	frame.pays(sandbox.Declined)
	b.until(`document.querySelector("#pay-state").innerText.includes("gikk ikke gjennom")`)
	d.untouched(b)

	d.choose(b, "#pay-seamless")
	b.frame(bankFrame)
	b.open(b.url()) // as by reload: it goes on
	frame = b.frame(bankFrame)
	frame.opensDrawer()
	frame.pays(sandbox.Approved)
	d.subscribes(b)
	b.open(d.fjord() + "/subscribe/pay") // as by Back: nothing is asked for again
	b.until(`document.querySelector("#doneBought") !== null`)
}

// A reader subscribes at the bank's own page, by the payment script (ConnectID:
// paymentFlow redirect), and reloads on the way.
func TestSubscribeRedirect(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := shopping(t, d)

	d.choose(b, "#pay-redirect")
	b.until(`location.pathname.startsWith("/bank/")`)
	b.click(`button[value="cancel"]`)
	b.until(`document.querySelector("#notPaid") !== null`)
	d.untouched(b)

	d.choose(b, "#pay-redirect")
	b.until(`location.pathname.startsWith("/bank/")`)
	b.open(b.url()) // as by reload
	b.pays(sandbox.Approved)
	d.subscribes(b)
	b.open(d.fjord() + "/subscribe/done") // once more: the same receipt
	b.until(`document.querySelector("#doneBought") !== null`)
}

// A reader orders first and pays by way of the fulfillment URL: she cancels, is
// declined, tries the same again, and pays. Then she is charged for another month.
func TestSubscribeByOrder(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := shopping(t, d)
	atBank := func() {
		t.Helper()
		d.choose(b, "#pay-order")
		b.until(`location.pathname.startsWith("/bank/")`)
	}

	atBank()
	b.click(`button[value="cancel"]`)
	b.until(`document.querySelector("#doneCancelled") !== null`)
	if !strings.Contains(b.url(), "fulfillmentStatus=cancel") {
		t.Errorf("she came back to %s", b.url())
	}
	d.untouched(b)

	atBank()
	b.pays(sandbox.Declined)
	b.until(`document.querySelector("#doneFailed") !== null`)
	if !strings.Contains(b.url(), "fulfillmentStatus=error") {
		t.Errorf("she came back to %s", b.url())
	}
	d.untouched(b)

	atBank()
	b.pays(sandbox.Approved)
	b.at(d.fjord() + "/subscribe/done?fulfillmentStatus=success")
	d.subscribes(b)

	b.open(d.base + "/demo/orders")
	b.click(`form[action$="/charge"] button`)
	b.until(`document.querySelector("#said").innerText.includes("Charged")`)
	if got := b.sees("tbody tr:first-child"); !strings.Contains(got, "handedOver") || !strings.Contains(got, "captured") {
		t.Errorf("the renewal reads %q", got)
	}
}

// A reader closes the browser in the middle of a payment, and finds it completed.
func TestSubscribeAndLeave(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := shopping(t, d)
	d.choose(b, "#pay-order")
	b.until(`location.pathname.startsWith("/bank/")`)
	b.pays(sandbox.NeverReturns) // the bank has the money, and shows no way back
	b.until(`document.documentElement.dataset.step === "over"`)

	again := b.another()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		again.open(d.base + "/demo/orders")
		if text := again.sees("tbody tr:first-child"); strings.Contains(text, "handedOver") {
			break
		} else if time.Now().After(end) {
			again.fatalf("the order still reads %q", text)
		}
	}
	again.open(d.fjord() + "/subscribe/done")
	d.subscribes(again)
}
