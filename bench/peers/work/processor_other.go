//go:build !unix

package work

import "time"

var start = time.Now()

// processorTime is the duration, where there is nothing better.
func processorTime() time.Duration { return time.Since(start) }
