package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var lossChecks = []check{
	{"work goes on while nodes are lost", nodesAreLost},
}

// Each node is lost once, the leader first, and comes back. Meanwhile one writes, one watches, a session lives and a lock is held.
func nodesAreLost(_ context.Context, at *place) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	session, err := concurrency.NewSession(at.client, concurrency.WithTTL(15))
	if err != nil {
		return "", err
	}
	defer session.Close()
	lock := concurrency.NewMutex(session, at.key("lock"))
	if err = lock.Lock(ctx); err != nil {
		return "", err
	}
	start, err := at.client.Get(ctx, at.key("count/"))
	if err != nil {
		return "", err
	}
	watch := at.client.Watch(ctx, at.key("count/"), clientv3.WithPrefix(), clientv3.WithRev(start.Header.Revision+1))
	seen := make(chan error, 1)
	go func() { seen <- watchCounts(ctx, watch, at.key("count/end")) }()
	var written atomic.Int64
	stop := make(chan struct{})
	wrote := make(chan error, 1)
	go func() { wrote <- writeCounts(ctx, at, stop, &written) }()

	rounds := 0
	for _, node := range []string{"leader", "leader", "follower"} {
		if err := oneIsLost(ctx, at, node, &written); err != nil {
			return fmt.Sprintf("%d rounds", rounds), err
		}
		rounds++
	}
	close(stop)
	if err = <-wrote; err != nil {
		return "", err
	}
	if _, err = at.client.Put(ctx, at.key("count/end"), ""); err != nil {
		return "", err
	}
	if err = <-seen; err != nil {
		return "", err
	}
	select {
	case <-session.Done():
		return "", errors.New("the session ended")
	default:
	}
	owned, err := at.client.Txn(ctx).If(lock.IsOwner()).Commit()
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("%d nodes lost, every event seen once and in order, lock held %t", rounds, owned.Succeeded)
	return saw, first(lock.Unlock(ctx), want(owned.Succeeded, "the lock was lost"))
}

// A node is lost, and what was done before is done without it; then it comes back.
func oneIsLost(ctx context.Context, at *place, node string, written *atomic.Int64) error {
	for _, what := range []string{"lose " + node, "bring back"} {
		if err := ask(what); err != nil {
			return err
		}
		before := written.Load()
		for written.Load() < before+20 {
			if ctx.Err() != nil {
				return fmt.Errorf("%s: no write any more: %w", what, ctx.Err())
			}
			time.Sleep(5 * time.Millisecond)
		}
		// Reads go to each that is there.
		for range 2 * len(at.endpoints) {
			if _, err := at.client.Get(ctx, at.key("count/k")); err != nil {
				return fmt.Errorf("%s: a linearizable read: %w", what, err)
			}
			if _, err := at.client.Get(ctx, at.key("count/k"), clientv3.WithSerializable()); err != nil {
				return fmt.Errorf("%s: a serializable read: %w", what, err)
			}
		}
	}
	return nil
}

// Counts up in one key. A write that was not answered is tried again: if it was done, the compare fails, and that is an answer.
func writeCounts(ctx context.Context, at *place, stop <-chan struct{}, written *atomic.Int64) error {
	k := at.key("count/k")
	for count := int64(1); ; count++ {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			once, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err := at.client.Txn(once).If(clientv3.Compare(clientv3.Version(k), "=", count-1)).
				Then(clientv3.OpPut(k, fmt.Sprint(count))).Commit()
			cancel()
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("write %d: %w", count, err)
			}
		}
		written.Store(count)
	}
}

// Reads events until that of the key that is written last of all; each version must come once and in order.
func watchCounts(ctx context.Context, watch clientv3.WatchChan, end string) error {
	var version int64
	for answer := range watch {
		if err := answer.Err(); err != nil {
			return err
		}
		for _, event := range answer.Events {
			if string(event.Kv.Key) == end {
				return nil
			}
			version++
			if event.Kv.Version != version || string(event.Kv.Value) != fmt.Sprint(version) {
				return fmt.Errorf("version %d, value %s after %d", event.Kv.Version, event.Kv.Value, version-1)
			}
		}
	}
	return fmt.Errorf("the watch ended: %w", ctx.Err())
}
