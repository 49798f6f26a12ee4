// These tests prove that a writer leaves the server as much time for others as it was told to, and ends while it rests.
package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	klinkev1 "github.com/klinke-authz/klinke/proto/klinke/v1"
)

// slowSink takes a second for each write.
type slowSink struct{ writes int }

func (s *slowSink) write(context.Context, []*klinkev1.Change) (written, error) {
	<-time.After(time.Second) // in a bubble, where it takes no time
	s.writes++
	return written{}, nil
}

func writeThree(ctx context.Context, load int) (writes int, took time.Duration, err error) {
	to := &slowSink{}
	w := &writer{to: to, tally: newTally(), progress: &progress{}, chunk: 1, load: load}
	begun := time.Now()
	for range 3 {
		if err = w.add(ctx, &klinkev1.Change{}); err != nil {
			break
		}
	}
	if err == nil {
		err = w.flush(ctx)
	}
	return to.writes, time.Since(begun), err
}

func TestAWriterRestsBetweenWrites(t *testing.T) {
	for load, want := range map[int]time.Duration{0: 3 * time.Second, 100: 3 * time.Second, 50: 5 * time.Second, 20: 11 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			if writes, took, err := writeThree(t.Context(), load); writes != 3 || took != want || err != nil {
				t.Errorf("load %d: %d writes in %v, want 3 in %v: %v", load, writes, took, want, err)
			}
		})
	}
}

func TestAWriterThatRestsCanBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 90*time.Second)
		defer stop()
		if writes, took, err := writeThree(ctx, 1); writes != 1 || took != 90*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d writes in %v: %v", writes, took, err)
		}
	})
}
