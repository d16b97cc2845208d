package account_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/connectid-kit/connectid/flows/account"
)

// The rank test of security promise 5: the times of answers for different people
// can not be told apart.
//
// For each kind of request it measures all people in turn, in a new random order
// each round, so that what the machine does meanwhile hits all alike, and
// compares each two by Mann and Whitney's U. If two do not differ, z is standard
// normal: |z| > timingBound has p < 7e-6 in one comparison and p < 1.3e-4 in any of
// the 18 of a run. It takes three such runs in a row to fail: p < 3e-12 for an
// honest build, so that a hiccup of the machine fails none. At 200 rounds the
// bound lies where one of two people is the slower one in 63 % of all pairs; a
// hash or a call to the store more moves that to nearly 100 %.
const (
	timingRounds = 200
	timingBound  = 4.5
	timingTries  = 3
	mutantTries  = 12
)

var timingPeople = []string{"existing", "without", "blocked", "unknown"}

// timed is a service whose calls to the store take about as long as to a near
// server, and vary: what a microsecond more in this process gives away, such as
// copying a record that is there, drowns in that.
type timed struct {
	*env
	spy *spyStore
	who string // who is asked for at the moment
}

func newTimed(t *testing.T) *timed {
	t.Helper()
	m := &timed{spy: &spyStore{}}
	m.spy.cost = func(string) time.Duration { return 140*time.Microsecond + rand.N(40*time.Microsecond) }
	plenty := account.Budget{N: 1 << 30, Window: time.Hour}
	m.env = setUp(t, func(c *account.Config) {
		m.spy.Store, c.Store = c.Store, m.spy
		c.Sender = discard{}
		c.Passwords = account.Passwords{Memory: 128, Passes: 1}
		c.Limits = account.Limits{
			PasswordsPerAccount: plenty, PasswordsPerDevice: plenty, PasswordsPerAddress: plenty, CodesPerAccount: plenty,
			CodesPerDevice: plenty, SendsPerCredential: plenty, SendsPerDevice: plenty, SendsPerAddress: plenty, SendsOverall: plenty,
		}
	})
	m.addUser(t, goodPassword, "existing@example.com")
	m.addUser(t, "", "without@example.com")
	blocked := m.addUser(t, goodPassword, "blocked@example.com")
	if err := m.Block(t.Context(), blocked.ID); err != nil {
		t.Fatal(err)
	}
	return m
}

// timedRequests are what a stranger can ask for anybody.
var timedRequests = []struct {
	name string
	want error
	do   func(m *timed, t *testing.T, credential string, o account.Origin) error
}{
	{"password", account.ErrWrong, func(m *timed, t *testing.T, c string, o account.Origin) error {
		return m.login(t, c, "not the password", o)
	}},
	{"code request", nil, func(m *timed, t *testing.T, c string, o account.Origin) error { return m.send(t, c, o) }},
	{"code check", account.ErrWrong, func(m *timed, t *testing.T, c string, o account.Origin) error {
		_, err := m.try(t, c, "000000", o)
		return err
	}},
}

// measure returns the comparison of two people that differs most, over the named
// kinds of request or all.
func (m *timed) measure(t *testing.T, requests ...string) (worst float64, what string) {
	t.Helper()
	asker := from(1)
	for _, req := range timedRequests {
		if len(requests) > 0 && !slices.Contains(requests, req.name) {
			continue
		}
		for _, who := range timingPeople { // a live code, to be wrong about
			if err := m.send(t, who+"@example.com", asker); err != nil {
				t.Fatal(err)
			}
		}
		times := map[string][]float64{}
		order := slices.Clone(timingPeople)
		for round := range timingRounds + 10 {
			rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, who := range order {
				m.who = who
				m.spy.reset()
				start := time.Now()
				err := req.do(m, t, who+"@example.com", asker)
				took := time.Since(start)
				if !errors.Is(err, req.want) && !(req.name == "code check" && err == nil) { // a code in a million is 000000
					t.Fatalf("%s for %s: %v, want %v", req.name, who, err, req.want)
				}
				if round >= 10 { // the first ones warm up
					times[who] = append(times[who], float64(took))
				}
			}
		}
		for i, a := range timingPeople {
			for _, b := range timingPeople[i+1:] {
				if z := math.Abs(mannWhitney(times[a], times[b])); z > worst {
					worst = z
					what = fmt.Sprintf("%s: %s (median %v) and %s (median %v): |z| = %.1f",
						req.name, a, time.Duration(median(times[a])), b, time.Duration(median(times[b])), z)
				}
			}
		}
	}
	return worst, what
}

// mannWhitney returns the z of U for the two samples (H. B. Mann and D. R.
// Whitney, 1947), without a correction for ties: clocks that tick in nanoseconds
// have few.
func mannWhitney(a, b []float64) float64 {
	type value struct {
		v     float64
		first bool
	}
	var all []value
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.v, y.v) })
	ranks := 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		for k := i; k < j; k++ { // equal ones share the mean of their ranks
			if all[k].first {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u := ranks - n*(n+1)/2
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func TestMannWhitney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, -2.611},
		{[]float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, 2.611},
		{[]float64{1, 4, 5, 8}, []float64{2, 3, 6, 7}, 0},
		{[]float64{1, 1, 1}, []float64{1, 1, 1}, 0},
	} {
		if got := mannWhitney(c.a, c.b); math.Abs(got-c.want) > 0.001 {
			t.Errorf("z of %v and %v is %.3f, want %.3f", c.a, c.b, got, c.want)
		}
	}
}

// TestTimesTellNothing is not parallel: what it measures is time.
func TestTimesTellNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for seconds")
	}
	m := newTimed(t)
	for range timingTries {
		worst, what := m.measure(t)
		t.Log(what)
		if worst <= timingBound {
			return
		}
	}
	t.Error("the time of an answer tells who has an account")
}

// TestTimesCatchMutants shows that the runs of TestTimesTellNothing are over the
// bound for a build that does less work for some.
func TestTimesCatchMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for seconds")
	}
	for _, c := range []struct {
		name, request string
		mutate        func(m *timed)
	}{
		{"no dummy hash", "password", func(m *timed) { m.WithoutDummy() }},
		{"no counter of the account for an unknown credential", "password", func(m *timed) { m.skip("unknown", "Add", 2) }},
		{"no code stored for a blocked account", "code request", func(m *timed) { m.skip("blocked", "PutOneTimeCode", 1) }},
		{"no code looked up for an unknown credential", "code check", func(m *timed) { m.skip("unknown", "TakeOneTimeCode", 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTimed(t)
			c.mutate(m)
			for range mutantTries { // what else the machine does can hide a mutant
				worst, what := m.measure(t, c.request)
				t.Log(what)
				if worst > timingBound {
					return
				}
			}
			t.Error("not caught")
		})
	}
}

// skip takes away the time of the n-th call of a kind for one of the people, as
// a build would that does not make it.
func (m *timed) skip(who, call string, n int) {
	whole := m.spy.cost
	m.spy.cost = func(now string) time.Duration {
		seen := 0
		for _, c := range m.spy.calls {
			if c == call {
				seen++
			}
		}
		if m.who == who && now == call && seen == n {
			return 0
		}
		return whole(now)
	}
}
