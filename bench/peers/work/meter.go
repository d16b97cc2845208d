package work

import (
	"runtime"
	"testing"
	"time"
)

// meter measures the processor time of a benchmark beside its duration: that of
// the operations and of the garbage they leave, whatever else the machine does.
type meter struct {
	b     *testing.B
	spent time.Duration
	since time.Duration
}

// measure starts the clock, after clearing away what the preparation left.
func measure(b *testing.B) *meter {
	b.ReportAllocs()
	m := &meter{b: b}
	b.StopTimer()
	m.resume()
	return m
}

// pause stops the clock for a preparation.
func (m *meter) pause() {
	m.b.StopTimer()
	m.spent += processorTime() - m.since
}

// resume starts the clock again.
func (m *meter) resume() {
	runtime.GC()
	m.since = processorTime()
	m.b.StartTimer()
}

// report ends the measurement.
func (m *meter) report() {
	m.pause()
	m.b.ReportMetric(float64(m.spent)/float64(m.b.N), "cpu-ns/op")
}
