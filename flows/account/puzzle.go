package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/connectid-kit/connectid/store"
)

// PuzzleConfig configures [NewPuzzle].
type PuzzleConfig struct {
	Counters store.Counters // required; the kit's own store will do
	// Bits is the work of each of the 8 parts of a puzzle: 2^Bits hashes on
	// average; default 14. One bit more doubles the work.
	Bits int
	// Wait is what a browser without scripts has to wait instead; default 15
	// seconds. In that time one reader of an address (IPv6: of a /64) passes.
	Wait time.Duration
}

// puzzleParts make the time that a puzzle takes vary less.
const puzzleParts = 8

// puzzle is a proof of work, in the manner of A. Back's Hashcash.
type puzzle struct {
	PuzzleConfig
}

// NewPuzzle returns a [Captcha] that asks neither the reader nor a third party
// anything: the kit's page script looks for 8 numbers n with SHA-256(seed ":"
// part ":" n) beginning with so many zero bits, which takes a second or two while
// the reader types, and a program that tries thousands of passwords thousands of
// times as long. Readers without scripts wait.
func NewPuzzle(c PuzzleConfig) (Captcha, error) {
	var errs []error
	if c.Counters == nil {
		errs = append(errs, errors.New("missing Counters"))
	}
	c.Bits, c.Wait = cmp.Or(c.Bits, 14), cmp.Or(c.Wait, 15*time.Second)
	if c.Bits < 1 || c.Bits > 24 {
		errs = append(errs, fmt.Errorf("bad Bits %d: want 1 to 24", c.Bits))
	}
	if c.Wait < time.Second || c.Wait > 5*time.Minute {
		errs = append(errs, fmt.Errorf("bad Wait %v: want 1 second to 5 minutes", c.Wait))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("puzzle: %w", err)
	}
	return &puzzle{c}, nil
}

// Ask returns a task "bits:parts:seed".
func (p *puzzle) Ask(context.Context, Asker) (Challenge, error) {
	return Challenge{
		Task: fmt.Sprintf("%d:%d:%s", p.Bits, puzzleParts, rand.Text()),
		Wait: int((p.Wait + time.Second - 1) / time.Second),
	}, nil
}

// Solved checks the numbers, separated by commas; or, without any, whether the
// reader has waited.
func (p *puzzle) Solved(ctx context.Context, a Asker, c Challenge, answer string) (bool, error) {
	if answer == "" {
		return p.waited(ctx, a, c)
	}
	_, rest, _ := strings.Cut(c.Task, ":")
	_, seed, _ := strings.Cut(rest, ":")
	numbers := strings.Split(answer, ",")
	if len(answer) > 16*puzzleParts || len(numbers) != puzzleParts || seed == "" {
		return false, nil
	}
	for part, n := range numbers {
		if !puzzleFits(seed, part, n, p.Bits) {
			return false, nil
		}
	}
	return true, nil
}

// puzzleFits reports whether the number solves the part.
func puzzleFits(seed string, part int, number string, zeros int) bool {
	if number == "" || len(number) > 12 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	sum := sha256.Sum256([]byte(seed + ":" + strconv.Itoa(part) + ":" + number))
	head := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	return bits.LeadingZeros32(head) >= zeros
}

// waited reports whether the wait is over, for one reader of the address in each
// time of that length: many waits side by side would cost a program nothing.
func (p *puzzle) waited(ctx context.Context, a Asker, c Challenge) (bool, error) {
	if c.AskedAt.IsZero() || time.Since(c.AskedAt) < p.Wait {
		return false, nil
	}
	n, err := p.Counters.Add(ctx, "puzzle:"+store.DigestOf(addressKey(a.Address)).String(), 1, p.Wait)
	if err != nil {
		return false, fmt.Errorf("count waits: %w", err)
	}
	return n.N == 1, nil
}
