package schedule

import (
	"math/bits"
	"time"
)

// Jitter returns how long after due the occurrence starts: from zero up to but
// not including max, in milliseconds, spread evenly over seeds and due times.
// The same arguments always give the same result, so every replica agrees and
// the starts of one job don't drift. It is zero if max is not positive.
func Jitter(seed string, due time.Time, max time.Duration) time.Duration {
	if max <= 0 {
		return 0
	}
	return time.Duration(spread(seed, due.Unix(), uint64(max))).Truncate(time.Millisecond)
}

// spread maps its arguments evenly to [0, n). The hash is written out because
// its values decide when jobs run: they may not change with a library.
func spread(seed string, salt int64, n uint64) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(seed) {
		h = (h ^ uint64(seed[i])) * 1099511628211
	}
	h ^= uint64(salt)
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9 // the finish of SplitMix64, as FNV leaves the high bits alike
	h = (h ^ h>>27) * 0x94d049bb133111eb
	high, _ := bits.Mul64(h^h>>31, n)
	return high
}
