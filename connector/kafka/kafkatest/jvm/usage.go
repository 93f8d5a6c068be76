package jvm

import "time"

// Usage is what a process has cost so far.
type Usage struct {
	RSS  int64         // resident bytes now
	Peak int64         // the most that were ever resident, in bytes
	CPU  time.Duration // user and system time of all its threads
}
