package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var watchChecks = []check{
	{"watch a prefix", watchPrefix},
	{"watch from a revision", watchFromRevision},
	{"watch with filters", watchFilters},
	{"watch what is compacted", watchCompacted},
	{"watch progress", watchProgress},
	{"watch in fragments", watchFragments},
	{"many watches", manyWatches},
	{"a watch is cancelled", watchCancelled},
}

// What an event says, with its revision relative to another.
func shown(at *place, event *clientv3.Event, since int64) string {
	name := strings.TrimPrefix(string(event.Kv.Key), at.folder)
	what := fmt.Sprintf("%+d %s %s", event.Kv.ModRevision-since, event.Type, name)
	if event.Type == clientv3.EventTypePut {
		what += fmt.Sprintf("=%s v%d", event.Kv.Value, event.Kv.Version)
	}
	if event.PrevKv != nil {
		what += fmt.Sprintf(" was %s", event.PrevKv.Value)
	}
	return what
}

// Reads so many events.
func events(ctx context.Context, watch clientv3.WatchChan, count int) ([]*clientv3.Event, error) {
	var all []*clientv3.Event
	for len(all) < count {
		select {
		case answer, open := <-watch:
			if !open {
				return all, fmt.Errorf("the watch ended after %d events", len(all))
			}
			if err := answer.Err(); err != nil {
				return all, err
			}
			all = append(all, answer.Events...)
		case <-ctx.Done():
			return all, fmt.Errorf("%d events of %d: %w", len(all), count, ctx.Err())
		}
	}
	return all, want(len(all) == count, "%d events instead of %d", len(all), count)
}

func created(watch clientv3.WatchChan) error {
	answer, open := <-watch
	return want(open && answer.Created && len(answer.Events) == 0, "the first answer is not that it was created: %v", answer)
}

func showAll(at *place, all []*clientv3.Event, since int64) string {
	var lines []string
	for _, event := range all {
		lines = append(lines, shown(at, event, since))
	}
	return strings.Join(lines, ", ")
}

// Writes something of each kind; returns the revision before.
func writeSome(ctx context.Context, at *place) (int64, error) {
	got, err := at.client.Get(ctx, at.folder)
	if err != nil {
		return 0, err
	}
	_, one := at.client.Put(ctx, at.key("a"), "1")
	_, two := at.client.Put(ctx, at.key("a"), "2")
	_, both := at.client.Txn(ctx).Then(clientv3.OpPut(at.key("b"), "3"), clientv3.OpDelete(at.key("a"))).Commit()
	_, gone := at.client.Delete(ctx, at.folder, clientv3.WithPrefix())
	return got.Header.Revision, first(one, two, both, gone)
}

const eventsOfSome = 5

func watchPrefix(ctx context.Context, at *place) (string, error) {
	watch := at.client.Watch(clientv3.WithRequireLeader(ctx), at.folder, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
	if err := created(watch); err != nil {
		return "", err
	}
	since, err := writeSome(ctx, at)
	if err != nil {
		return "", err
	}
	all, err := events(ctx, watch, eventsOfSome)
	return showAll(at, all, since), err
}

func watchFromRevision(ctx context.Context, at *place) (string, error) {
	since, err := writeSome(ctx, at)
	if err != nil {
		return "", err
	}
	watch := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(since+2), clientv3.WithPrevKV())
	all, err := events(ctx, watch, eventsOfSome-1)
	if err != nil {
		return "", err
	}
	if _, err = at.client.Put(ctx, at.key("c"), "now"); err != nil {
		return "", err
	}
	more, err := events(ctx, watch, 1)
	return showAll(at, append(all, more...), since), err
}

func watchFilters(ctx context.Context, at *place) (string, error) {
	since, err := writeSome(ctx, at)
	if err != nil {
		return "", err
	}
	noPut := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(since+1), clientv3.WithFilterPut())
	noDelete := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(since+1), clientv3.WithFilterDelete())
	deleted, err := events(ctx, noPut, 2)
	if err != nil {
		return "", err
	}
	put, err := events(ctx, noDelete, 3)
	return showAll(at, deleted, since) + " | " + showAll(at, put, since), err
}

func watchCompacted(ctx context.Context, at *place) (string, error) {
	since, err := writeSome(ctx, at)
	if err != nil {
		return "", err
	}
	// At one member: another may know of the compaction a little later.
	client, err := connect(at.endpoints[:1])
	if err != nil {
		return "", err
	}
	defer client.Close()
	if _, err = client.Compact(ctx, since+3); err != nil {
		return "", err
	}
	watch := client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(since+1))
	answer, open := <-watch
	if !open {
		return "", errors.New("the watch ended without a word")
	}
	_, still := <-watch
	saw := fmt.Sprintf("cancelled %t, compacted %+d, then open %t", answer.Canceled, answer.CompactRevision-since, still)
	return saw, want(errors.Is(answer.Err(), rpctypes.ErrCompacted), "%v", answer.Err())
}

func watchProgress(ctx context.Context, at *place) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := at.client.Watch(ctx, at.key("quiet"), clientv3.WithCreatedNotify(), clientv3.WithProgressNotify())
	if err := created(watch); err != nil {
		return "", err
	}
	put, err := at.client.Put(ctx, at.key("other"), "1")
	if err != nil {
		return "", err
	}
	if err = at.client.RequestProgress(ctx); err != nil {
		return "", err
	}
	// The member may have been asked before it saw the write: then it is asked again.
	for answer := range watch {
		if !answer.IsProgressNotify() {
			return "", fmt.Errorf("not a progress notification: %v", answer)
		}
		if answer.Header.Revision >= put.Header.Revision {
			return "told how far it is", nil
		}
		if err = at.client.RequestProgress(ctx); err != nil {
			return "", err
		}
	}
	return "", errors.New("the watch ended")
}

func watchFragments(ctx context.Context, at *place) (string, error) {
	const parts = 10
	value := strings.Repeat("f", 300_000)
	var since int64
	for n := range parts {
		put, err := at.client.Put(ctx, at.key(fmt.Sprint(n)), value)
		if err != nil {
			return "", err
		}
		since = put.Header.Revision
	}
	// One revision that says, with the values before, more than one message holds.
	watch := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(since+1), clientv3.WithPrevKV(), clientv3.WithFragment())
	if _, err := at.client.Delete(ctx, at.folder, clientv3.WithPrefix()); err != nil {
		return "", err
	}
	all, err := events(ctx, watch, parts)
	bytes := 0
	for _, event := range all {
		bytes += len(event.PrevKv.GetValue())
	}
	return fmt.Sprintf("%d events, %d bytes before", len(all), bytes), err
}

func manyWatches(ctx context.Context, at *place) (string, error) {
	const watches, writes = 200, 20
	var group sync.WaitGroup
	failed := make(chan error, watches)
	start, err := at.client.Get(ctx, at.folder)
	if err != nil {
		return "", err
	}
	for range watches {
		watch := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(start.Header.Revision+1))
		group.Go(func() {
			all, err := events(ctx, watch, writes)
			for n := 1; n < len(all); n++ {
				if all[n-1].Kv.ModRevision >= all[n].Kv.ModRevision {
					err = errors.New("events out of order")
				}
			}
			if err != nil {
				failed <- err
			}
		})
	}
	for n := range writes {
		if _, err := at.client.Put(ctx, at.key(fmt.Sprint(n)), "v"); err != nil {
			return "", err
		}
	}
	group.Wait()
	close(failed)
	return fmt.Sprintf("%d watches saw %d events each", watches, writes), <-failed
}

func watchCancelled(ctx context.Context, at *place) (string, error) {
	mine, cancel := context.WithCancel(ctx)
	watch := at.client.Watch(mine, at.folder, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	other := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	err := first(created(watch), created(other))
	cancel()
	if err != nil {
		return "", err
	}
	for range watch {
	}
	if _, err = at.client.Put(ctx, at.key("k"), "v"); err != nil {
		return "", err
	}
	all, err := events(ctx, other, 1)
	return fmt.Sprintf("it ended, and the other saw %d event", len(all)), err
}
