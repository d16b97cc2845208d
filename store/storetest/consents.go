package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/connectid-kit/connectid/store"
)

const saysAddConsent = "AddConsent adds the scopes to those that the user agreed to before, in one step, and sets GivenAt. No concurrent addition is lost."

var consentRules = []rule[store.Consents]{
	{"every field comes back", saysTimes, func(c *recorder, s store.Consents) {
		for name, r := range variants[store.Consent]("UserID", "ClientID") {
			c.ok(s.AddConsent(c.ctx, r), "AddConsent, "+name)
			returns(c, "Consent, "+name, r)(s.Consent(c.ctx, r.UserID, r.ClientID))
			lists(c, "UserConsents, "+name, s.UserConsents(c.ctx, r.UserID), r)
		}
	}},
	{"a consent without a key is refused", saysKey, func(c *recorder, s store.Consents) {
		noUser, noClient := fresh[store.Consent](), fresh[store.Consent]()
		noUser.UserID, noClient.ClientID = "", ""
		for name, r := range map[string]store.Consent{"UserID": noUser, "ClientID": noClient} {
			if s.AddConsent(c.ctx, r) == nil {
				c.errorf("AddConsent took a consent without a %s", name)
			}
			fails[store.Consent](c, "Consent without a "+name, store.ErrNotFound)(s.Consent(c.ctx, r.UserID, r.ClientID))
			lists(c, "UserConsents without a "+name, s.UserConsents(c.ctx, r.UserID))
		}
	}},
	{"scopes are added", saysAddConsent + " Scopes are the tokens of scope that she agreed to, in the order of their bytes, each once.", func(c *recorder, s store.Consents) {
		want := store.Consent{UserID: "user", ClientID: "client"}
		for i, step := range []struct{ add, want []string }{
			{nil, nil},
			{[]string{"openid"}, []string{"openid"}},
			{[]string{"email", "openid"}, []string{"email", "openid"}},
			{[]string{"æ", "Z", "email", "a", "a", "é"}, []string{"Z", "a", "email", "openid", "æ", "é"}},
			{[]string{"openid"}, []string{"Z", "a", "email", "openid", "æ", "é"}},
			{nil, []string{"Z", "a", "email", "openid", "æ", "é"}},
		} {
			want.Scopes, want.GivenAt = step.want, future().Add(-time.Duration(i)*time.Second)
			add := want
			add.Scopes = step.add
			c.ok(s.AddConsent(c.ctx, add), fmt.Sprintf("AddConsent, step %d", i))
			returns(c, fmt.Sprintf("Consent, step %d", i), want)(s.Consent(c.ctx, "user", "client"))
		}
	}},
	{"no addition is lost", saysAddConsent, func(c *recorder, s store.Consents) {
		c.rounds(func(int) {
			r := fresh[store.Consent]()
			r.Scopes = nil
			for i, err := range race(func(i int) error {
				add := r
				add.Scopes = []string{"all", fmt.Sprintf("scope %02d", i)}
				return s.AddConsent(c.ctx, add)
			}) {
				c.noError(err, fmt.Sprint("AddConsent of caller ", i))
				r.Scopes = append(r.Scopes, fmt.Sprintf("scope %02d", i))
			}
			r.Scopes = slices.Insert(r.Scopes, 0, "all")
			returns(c, "Consent", r)(s.Consent(c.ctx, r.UserID, r.ClientID))
		})
	}},
	{"an unknown consent is not found", "Consent returns what the user agreed to at the client, or ErrNotFound.", func(c *recorder, s store.Consents) {
		r := fresh[store.Consent]()
		r.UserID, r.ClientID = "ab", "c"
		c.ok(s.AddConsent(c.ctx, r), "AddConsent")
		for _, key := range [][2]string{{"", ""}, {"ab", ""}, {"", "c"}, {"a", "bc"}, {"c", "ab"}, {"AB", "c"}, {"ab", "C"}, {"ab ", "c"}, {"%", "c"}, {"ab", "_"}} {
			fails[store.Consent](c, fmt.Sprintf("Consent(%q)", key), store.ErrNotFound)(s.Consent(c.ctx, key[0], key[1]))
		}
		returns(c, "Consent", r)(s.Consent(c.ctx, "ab", "c"))
	}},
	{"a user's consents are listed", "UserConsents lists what the user agreed to, ordered by ClientID.", func(c *recorder, s store.Consents) {
		var want []store.Consent
		for _, client := range []string{"c", "B", "a", "10", "2", "æ"} {
			r := fresh[store.Consent]()
			r.UserID, r.ClientID = "mine", client
			c.ok(s.AddConsent(c.ctx, r), "AddConsent")
			want = append(want, r)
			r = fresh[store.Consent]()
			r.ClientID = client
			c.ok(s.AddConsent(c.ctx, r), "AddConsent of another user")
		}
		slices.SortFunc(want, func(a, b store.Consent) int { return slices.Compare([]byte(a.ClientID), []byte(b.ClientID)) })
		lists(c, "UserConsents", s.UserConsents(c.ctx, "mine"), want...)
		for _, user := range []string{"nobody", "", "MINE", "%"} {
			lists(c, fmt.Sprintf("UserConsents(%q)", user), s.UserConsents(c.ctx, user))
		}
		for r, err := range s.UserConsents(c.ctx, "mine") { // a list that is left early, and a write while it is walked
			c.ok(err, "UserConsents")
			c.ok(s.DeleteConsent(c.ctx, "mine", r.ClientID), "DeleteConsent while UserConsents is walked")
			break
		}
		lists(c, "UserConsents after the first was deleted", s.UserConsents(c.ctx, "mine"), want[1:]...)
	}},
	{"a consent is taken back", "DeleteConsent takes it back; no error when there is none.", func(c *recorder, s store.Consents) {
		r, other, elsewhere := fresh[store.Consent](), fresh[store.Consent](), fresh[store.Consent]()
		other.ClientID, elsewhere.UserID = r.ClientID, r.UserID
		for _, one := range []store.Consent{r, other, elsewhere} {
			c.ok(s.AddConsent(c.ctx, one), "AddConsent")
		}
		c.ok(s.DeleteConsent(c.ctx, r.UserID, r.ClientID), "DeleteConsent")
		c.ok(s.DeleteConsent(c.ctx, r.UserID, r.ClientID), "DeleteConsent once more")
		c.ok(s.DeleteConsent(c.ctx, "", ""), "DeleteConsent of nobody")
		fails[store.Consent](c, "Consent that was taken back", store.ErrNotFound)(s.Consent(c.ctx, r.UserID, r.ClientID))
		lists(c, "UserConsents", s.UserConsents(c.ctx, r.UserID), elsewhere)
		returns(c, "Consent of another user", other)(s.Consent(c.ctx, other.UserID, other.ClientID))
		again := r
		again.Scopes = []string{"again"}
		c.ok(s.AddConsent(c.ctx, again), "AddConsent")
		returns(c, "Consent that was given again", again)(s.Consent(c.ctx, r.UserID, r.ClientID))
	}},
	{"all consents of a user are taken back", "DeleteUserConsents takes back all that the user agreed to and returns at how many clients there was something.", func(c *recorder, s store.Consents) {
		user := fresh[store.Consent]().UserID
		var mine []store.Consent
		for range 3 {
			r := fresh[store.Consent]()
			r.UserID = user
			c.ok(s.AddConsent(c.ctx, r), "AddConsent")
			c.ok(s.AddConsent(c.ctx, r), "AddConsent once more")
			mine = append(mine, r)
		}
		other := fresh[store.Consent]()
		other.ClientID = mine[0].ClientID
		c.ok(s.AddConsent(c.ctx, other), "AddConsent of another user")
		for _, step := range []struct {
			user string
			want int
		}{{"", 0}, {"nobody", 0}, {user, 3}, {user, 0}} {
			n, err := s.DeleteUserConsents(c.ctx, step.user)
			if c.ok(err, "DeleteUserConsents"); n != step.want {
				c.errorf("DeleteUserConsents(%q) = %d, want %d", step.user, n, step.want)
			}
		}
		lists(c, "UserConsents", s.UserConsents(c.ctx, user))
		fails[store.Consent](c, "Consent that was taken back", store.ErrNotFound)(s.Consent(c.ctx, user, mine[1].ClientID))
		returns(c, "Consent of another user", other)(s.Consent(c.ctx, other.UserID, other.ClientID))
	}},
	{"records are values", saysValues, func(c *recorder, s store.Consents) {
		r := fresh[store.Consent]()
		want := r
		want.Scopes = slices.Clone(r.Scopes)
		c.ok(s.AddConsent(c.ctx, r), "AddConsent")
		spoil(r.Scopes)
		got, err := s.Consent(c.ctx, r.UserID, r.ClientID)
		returns(c, "Consent after what was given was changed", want)(got, err)
		spoil(got.Scopes)
		for got, err := range s.UserConsents(c.ctx, r.UserID) {
			returns(c, "UserConsents after what was returned was changed", want)(got, err)
			spoil(got.Scopes)
		}
		given := slices.Clone(want.Scopes)
		slices.Reverse(given) // what is given is not put in order, or otherwise written to
		unsorted := want
		unsorted.Scopes = given
		c.ok(s.AddConsent(c.ctx, unsorted), "AddConsent")
		if slices.IsSorted(given) {
			c.errorf("AddConsent sorted the list that it was given")
		}
		returns(c, "Consent after what was returned was changed", want)(s.Consent(c.ctx, r.UserID, r.ClientID))
	}},
	endedContexts[store.Consents](),
	hammered[store.Consents](),
}
