package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var concurrencyChecks = []check{
	{"sessions", sessions},
	{"mutex", mutex},
	{"mutex under contention", mutexContention},
	{"election", election},
	{"transactional memory", transactionalMemory},
}

// Two sessions, and what ends both.
func twoSessions(at *place) (*concurrency.Session, *concurrency.Session, func(), error) {
	one, err := concurrency.NewSession(at.client, concurrency.WithTTL(10))
	if err != nil {
		return nil, nil, nil, err
	}
	two, err := concurrency.NewSession(at.client, concurrency.WithTTL(10))
	if err != nil {
		return nil, nil, nil, errors.Join(err, one.Close())
	}
	return one, two, func() { one.Close(); two.Close() }, nil
}

func sessions(ctx context.Context, at *place) (string, error) {
	one, two, end, err := twoSessions(at)
	if err != nil {
		return "", err
	}
	defer end()
	if _, err = at.client.Revoke(ctx, one.Lease()); err != nil {
		return "", err
	}
	select {
	case <-one.Done():
	case <-ctx.Done():
		return "", errors.New("a session whose lease was revoked did not end")
	}
	select {
	case <-two.Done():
		return "", errors.New("the other session ended")
	default:
	}
	err = two.Close()
	<-two.Done()
	return "both ended in their turn", err
}

// Waits until there are so many keys: who waits for something leaves one.
func keysAre(ctx context.Context, at *place, prefix string, count int64) error {
	for {
		got, err := at.client.Get(ctx, at.key(prefix), clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || got.Count == count {
			return err
		}
	}
}

func mutex(ctx context.Context, at *place) (string, error) {
	one, two, end, err := twoSessions(at)
	if err != nil {
		return "", err
	}
	defer end()
	mine, theirs := concurrency.NewMutex(one, at.key("lock")), concurrency.NewMutex(two, at.key("lock"))
	if err = mine.Lock(ctx); err != nil {
		return "", err
	}
	try := theirs.TryLock(ctx)
	owned, err := at.client.Txn(ctx).If(mine.IsOwner()).Commit()
	if err != nil {
		return "", err
	}
	locked := make(chan error, 1)
	var released atomic.Bool
	go func() {
		err := theirs.Lock(ctx)
		if !released.Load() {
			err = errors.New("two have the lock")
		}
		locked <- err
	}()
	if err = keysAre(ctx, at, "lock/", 2); err != nil {
		return "", err
	}
	released.Store(true)
	if err = mine.Unlock(ctx); err != nil {
		return "", err
	}
	if err = <-locked; err != nil {
		return "", err
	}
	lost, err := at.client.Txn(ctx).If(mine.IsOwner()).Commit()
	if err != nil {
		return "", err
	}
	// A lock ends with the session of who has it.
	if err = two.Close(); err != nil {
		return "", err
	}
	err = mine.Lock(ctx)
	saw := fmt.Sprintf("tried: %v; owned %t, then %t", try, owned.Succeeded, lost.Succeeded)
	return saw, first(err, want(errors.Is(try, concurrency.ErrLocked), "not told that it is locked"))
}

func mutexContention(ctx context.Context, at *place) (string, error) {
	const workers, rounds = 6, 5
	var group sync.WaitGroup
	failed := make(chan error, workers)
	count := 0
	for range workers {
		group.Go(func() {
			session, err := concurrency.NewSession(at.client, concurrency.WithTTL(10))
			if err != nil {
				failed <- err
				return
			}
			defer session.Close()
			lock := concurrency.NewMutex(session, at.key("lock"))
			for range rounds {
				if err = lock.Lock(ctx); err != nil {
					failed <- err
					return
				}
				count++
				if err = lock.Unlock(ctx); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	return fmt.Sprintf("counted to %d", count), first(<-failed, want(count == workers*rounds, "a count was lost"))
}

func election(ctx context.Context, at *place) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	one, two, end, err := twoSessions(at)
	if err != nil {
		return "", err
	}
	defer end()
	mine, theirs := concurrency.NewElection(one, at.key("seat")), concurrency.NewElection(two, at.key("seat"))
	_, none := mine.Leader(ctx)
	if err = mine.Campaign(ctx, "one"); err != nil {
		return "", err
	}
	observed := theirs.Observe(ctx)
	campaign := make(chan error, 1)
	saw := ""
	next := func() {
		answer := <-observed
		if len(answer.Kvs) == 1 {
			saw += string(answer.Kvs[0].Value) + " "
		}
	}
	next()
	go func() { campaign <- theirs.Campaign(ctx, "two") }()
	if err = mine.Proclaim(ctx, "still one"); err != nil {
		return "", err
	}
	next()
	leader, err := theirs.Leader(ctx)
	if err != nil {
		return "", err
	}
	if err = mine.Resign(ctx); err != nil {
		return "", err
	}
	if err = <-campaign; err != nil {
		return "", err
	}
	next()
	after := mine.Proclaim(ctx, "wrong")
	saw = fmt.Sprintf("%sthen; at first: %v; read: %s; after it resigned: %v", saw, none, leader.Kvs[0].Value, after)
	return saw, first(want(errors.Is(none, concurrency.ErrElectionNoLeader) && errors.Is(after, concurrency.ErrElectionNotLeader), "errors"))
}

func transactionalMemory(ctx context.Context, at *place) (string, error) {
	const workers, rounds = 6, 5
	isolations := []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads}
	var group sync.WaitGroup
	failed := make(chan error, workers)
	for worker := range workers {
		group.Go(func() {
			for range rounds {
				_, err := concurrency.NewSTM(at.client, func(memory concurrency.STM) error {
					count, _ := strconv.Atoi(memory.Get(at.key("count")))
					memory.Put(at.key("count"), strconv.Itoa(count+1))
					memory.Put(at.key("other"), strconv.Itoa(count+1))
					return nil
				}, concurrency.WithAbortContext(ctx), concurrency.WithIsolation(isolations[worker%len(isolations)]))
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	count, err := at.client.Get(ctx, at.key("count"))
	if err != nil {
		return "", err
	}
	other, err := at.client.Get(ctx, at.key("other"))
	if err != nil || len(count.Kvs) == 0 || len(other.Kvs) == 0 {
		return "", errors.Join(err, <-failed, errors.New("nothing was counted"))
	}
	kv := count.Kvs[0]
	saw := fmt.Sprintf("counted to %s in %d versions, and %s", kv.Value, kv.Version, other.Kvs[0].Value)
	return saw, first(<-failed, want(string(kv.Value) == strconv.Itoa(workers*rounds), "a count was lost"))
}
