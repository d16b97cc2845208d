//go:build unix

package work

import (
	"syscall"
	"time"
)

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
