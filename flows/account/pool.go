package account

import (
	"context"
	"sync/atomic"
	"time"
)

// pool bounds how many password hashes run at once, and so the memory and the
// processors that logins can take.
type pool struct {
	slots   chan struct{}
	wait    time.Duration
	running atomic.Int64
	peak    atomic.Int64
	hashed  atomic.Uint64
	shed    atomic.Uint64
}

func newPool(workers int, wait time.Duration) *pool {
	return &pool{slots: make(chan struct{}, workers), wait: wait}
}

// do runs f, which hashes, when there is room, or returns [ErrBusy] when there was none in
// time. A caller who goes away gives up the place in the queue.
func (p *pool) do(ctx context.Context, f func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
	default:
		t := time.NewTimer(p.wait)
		defer t.Stop()
		select {
		case p.slots <- struct{}{}:
		case <-t.C:
			p.shed.Add(1)
			return ErrBusy
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-p.slots }()
	n := p.running.Add(1)
	defer p.running.Add(-1)
	for {
		peak := p.peak.Load()
		if n <= peak || p.peak.CompareAndSwap(peak, n) {
			break
		}
	}
	f()
	return nil
}

// PoolStats tells how the password pool is doing.
type PoolStats struct {
	Workers int    // how many hashes may run at once
	Running int    // how many run now
	Peak    int    // the most that ever ran at once
	Hashed  uint64 // how many argon2id hashes have been made
	Shed    uint64 // how many found no worker in time
}

// PoolStats returns the state of the password pool.
func (s *Service) PoolStats() PoolStats {
	return PoolStats{
		Workers: cap(s.pool.slots),
		Running: int(s.pool.running.Load()),
		Peak:    int(s.pool.peak.Load()),
		Hashed:  s.pool.hashed.Load(),
		Shed:    s.pool.shed.Load(),
	}
}
