package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
)

var recipeChecks = []check{
	{"queues", queues},
	{"barriers", barriers},
	{"readers and writers", readersAndWriters},
}

// Waits for what knows no context.
func within(ctx context.Context, what string, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
}

func queues(ctx context.Context, at *place) (string, error) {
	var saw []string
	err := within(ctx, "queues", func() error {
		queue := recipe.NewQueue(at.client, at.key("queue"))
		ranked := recipe.NewPriorityQueue(at.client, at.key("ranked"))
		for n := range 5 {
			if err := first(queue.Enqueue(fmt.Sprint("q", n)), ranked.Enqueue(fmt.Sprint("p", n), uint16(9-n))); err != nil {
				return err
			}
		}
		for range 5 {
			one, err := queue.Dequeue()
			two, also := ranked.Dequeue()
			if err := first(err, also); err != nil {
				return err
			}
			saw = append(saw, one, two)
		}
		// One who waits gets what comes.
		got := make(chan string, 1)
		go func() {
			if one, err := queue.Dequeue(); err == nil {
				got <- one
			}
		}()
		if err := queue.Enqueue("last"); err != nil {
			return err
		}
		saw = append(saw, <-got)
		return nil
	})
	return strings.Join(saw, " "), err
}

func barriers(ctx context.Context, at *place) (string, error) {
	one, two, end, err := twoSessions(at)
	if err != nil {
		return "", err
	}
	defer end()
	err = within(ctx, "barriers", func() error {
		barrier := recipe.NewBarrier(at.client, at.key("barrier"))
		if err := barrier.Hold(); err != nil {
			return err
		}
		twice := barrier.Hold()
		waited := make(chan error, 1)
		go func() { waited <- recipe.NewBarrier(at.client, at.key("barrier")).Wait() }()
		if err := first(barrier.Release(), <-waited, want(twice != nil, "held twice")); err != nil {
			return err
		}
		var group sync.WaitGroup
		failed := make(chan error, 2)
		for _, session := range []*concurrency.Session{one, two} {
			group.Go(func() {
				both := recipe.NewDoubleBarrier(session, at.key("both"), 2)
				if err := first(both.Enter(), both.Leave()); err != nil {
					failed <- err
				}
			})
		}
		group.Wait()
		close(failed)
		return <-failed
	})
	return "held, released; two came in and went together", err
}

func readersAndWriters(ctx context.Context, at *place) (string, error) {
	one, two, end, err := twoSessions(at)
	if err != nil {
		return "", err
	}
	defer end()
	err = within(ctx, "readers and writers", func() error {
		mine, theirs := recipe.NewRWMutex(one, at.key("lock")), recipe.NewRWMutex(two, at.key("lock"))
		if err := first(mine.RLock(), theirs.RLock(), theirs.RUnlock()); err != nil {
			return err
		}
		var released atomic.Bool
		written := make(chan error, 1)
		go func() {
			err := theirs.Lock()
			if !released.Load() {
				err = errors.New("a writer came in beside a reader")
			}
			written <- err
		}()
		if err := keysAre(ctx, at, "lock/", 2); err != nil {
			return err
		}
		released.Store(true)
		return first(mine.RUnlock(), <-written, theirs.Unlock())
	})
	return "readers together, the writer alone", err
}
