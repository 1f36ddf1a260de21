//go:build !race

package bubbletest

const raced = false
