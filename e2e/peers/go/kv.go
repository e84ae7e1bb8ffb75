package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var kvChecks = []check{
	{"put and get", putAndGet},
	{"ranges", ranges},
	{"old revisions", oldRevisions},
	{"range stream", rangeStream},
	{"deletes", deletes},
	{"transactions", transactions},
	{"typed errors", typedErrors},
	{"large values", largeValues},
	{"compaction", compaction},
	{"members and status", membersAndStatus},
}

// Fills the folder with keys 0 to 9, each of a value that falls as the key rises.
func tenKeys(ctx context.Context, at *place) (int64, error) {
	var last int64
	for n := range 10 {
		put, err := at.client.Put(ctx, at.key(fmt.Sprint(n)), fmt.Sprint(9-n))
		if err != nil {
			return 0, err
		}
		last = put.Header.Revision
	}
	return last, nil
}

func names(at *place, kvs []*mvccpb.KeyValue) string {
	var all []string
	for _, kv := range kvs {
		all = append(all, strings.TrimPrefix(string(kv.Key), at.folder))
	}
	return strings.Join(all, " ")
}

func putAndGet(ctx context.Context, at *place) (string, error) {
	k := at.key("k")
	one, err := at.client.Put(ctx, k, "one")
	if err != nil {
		return "", err
	}
	two, err := at.client.Put(ctx, k, "two", clientv3.WithPrevKV())
	if err != nil {
		return "", err
	}
	if _, err = at.client.Put(ctx, k, "", clientv3.WithIgnoreValue()); err != nil {
		return "", err
	}
	got, err := at.client.Get(ctx, k)
	if err != nil || len(got.Kvs) != 1 {
		return "", errors.Join(err, fmt.Errorf("found %d keys", len(got.Kvs)))
	}
	kv := got.Kvs[0]
	saw := fmt.Sprintf("%s after %s, version %d, created %+d, changed %+d, lease %d, count %d, more %t", kv.Value, two.PrevKv.Value,
		kv.Version, kv.CreateRevision-one.Header.Revision, kv.ModRevision-two.Header.Revision, kv.Lease, got.Count, got.More)
	none, err := at.client.Get(ctx, at.key("none"))
	return saw, first(err,
		want(one.PrevKv == nil, "a previous value that was not asked for"),
		want(none.Count == 0 && len(none.Kvs) == 0, "found what is not there"),
		want(kv.Version == 3 && string(kv.Value) == "two", "not what was put"),
		want(got.Header.Revision >= kv.ModRevision && got.Header.MemberId != 0 && got.Header.RaftTerm != 0, "header %v", got.Header))
}

func ranges(ctx context.Context, at *place) (string, error) {
	last, err := tenKeys(ctx, at)
	if err != nil {
		return "", err
	}
	prefix := clientv3.WithPrefix()
	asked := map[string][]clientv3.OpOption{
		"all":            {prefix},
		"limit 3":        {prefix, clientv3.WithLimit(3)},
		"descending":     {prefix, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)},
		"by value":       {prefix, clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend), clientv3.WithLimit(4)},
		"last changed":   append(clientv3.WithLastRev(), prefix),
		"first created":  append(clientv3.WithFirstCreate(), prefix),
		"first by key":   append(clientv3.WithFirstKey(), prefix),
		"changed since":  {prefix, clientv3.WithMinModRev(last - 2)},
		"created until":  {prefix, clientv3.WithMaxCreateRev(last - 7)},
		"changed before": {prefix, clientv3.WithMaxModRev(last - 8)},
		"created since":  {prefix, clientv3.WithMinCreateRev(last - 1)},
		"count":          {prefix, clientv3.WithCountOnly()},
		"keys":           {prefix, clientv3.WithKeysOnly()},
		"before 3":       {clientv3.WithRange(at.key("3"))},
	}
	var all []string
	for name, options := range asked {
		got, err := at.client.Get(ctx, at.folder, options...)
		if err != nil {
			return name, err
		}
		values := 0
		for _, kv := range got.Kvs {
			values += len(kv.Value)
		}
		all = append(all, fmt.Sprintf("%s = [%s] of %d, more %t, %d bytes", name, names(at, got.Kvs), got.Count, got.More, values))
	}
	sort.Strings(all)
	from, err := at.client.Get(ctx, at.key("8"), clientv3.WithFromKey(), clientv3.WithLimit(2))
	return strings.Join(all, "; "), first(err,
		want(err == nil && names(at, from.Kvs) == "8 9", "from key 8"),
		serializableReadsShow(ctx, at, 10))
}

// A node may be behind, and a serializable read tells what it has: so it is asked again.
func serializableReadsShow(ctx context.Context, at *place, wanted int64) error {
	for {
		got, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithSerializable())
		if err != nil {
			return err
		}
		if got.Count == wanted {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("serializable reads show %d of %d keys", got.Count, wanted)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func oldRevisions(ctx context.Context, at *place) (string, error) {
	last, err := tenKeys(ctx, at)
	if err != nil {
		return "", err
	}
	if _, err = at.client.Delete(ctx, at.folder, clientv3.WithPrefix()); err != nil {
		return "", err
	}
	var counts []int64
	for _, back := range []int64{0, 4, 9, 10} {
		got, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(last-back))
		if err != nil {
			return "", err
		}
		counts = append(counts, got.Count)
	}
	now, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix())
	return fmt.Sprint(counts), first(err, want(fmt.Sprint(counts) == "[10 6 1 0]", "counts"), want(now.Count == 0, "still there"))
}

func rangeStream(ctx context.Context, at *place) (string, error) {
	value := strings.Repeat("v", 10_000)
	for n := range 300 {
		if _, err := at.client.Put(ctx, at.key(fmt.Sprintf("%03d", n)), value); err != nil {
			return "", err
		}
	}
	stream, err := at.client.GetStream(ctx, at.folder, clientv3.WithPrefix())
	if err != nil {
		return "", err
	}
	chunks, keys := 0, 0
	var count int64
	for part := range stream {
		if err := part.Err(); err != nil {
			return "", err
		}
		chunks++
		keys += len(part.RangeResponse.Kvs)
		count = part.RangeResponse.Count
	}
	stream, err = at.client.GetStream(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithLimit(7))
	if err != nil {
		return "", err
	}
	whole, err := clientv3.GetStreamToGetResponse(stream)
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("%d keys of %d; at most 7: %d of %d, more %t", keys, count, len(whole.Kvs), whole.Count, whole.More)
	return saw, first(want(chunks > 1, "%d chunks", chunks), want(keys == 300, "keys are missing"))
}

func deletes(ctx context.Context, at *place) (string, error) {
	if _, err := tenKeys(ctx, at); err != nil {
		return "", err
	}
	one, err := at.client.Delete(ctx, at.key("4"), clientv3.WithPrevKV())
	if err != nil {
		return "", err
	}
	again, err := at.client.Delete(ctx, at.key("4"))
	if err != nil {
		return "", err
	}
	rest, err := at.client.Delete(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithPrevKV())
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("%d (%s), %d, %d of [%s]", one.Deleted, names(at, one.PrevKvs), again.Deleted, rest.Deleted, names(at, rest.PrevKvs))
	return saw, want(again.Header.Revision == one.Header.Revision, "a delete of nothing made a revision")
}

func transactions(ctx context.Context, at *place) (string, error) {
	a, b := at.key("a"), at.key("b")
	made, err := at.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(a), "=", 0)).
		Then(clientv3.OpPut(a, "1"), clientv3.OpPut(b, "2"), clientv3.OpGet(at.folder, clientv3.WithPrefix())).
		Else(clientv3.OpGet(a)).Commit()
	if err != nil {
		return "", err
	}
	inside := made.Responses[2].GetResponseRange()
	compares := []clientv3.Cmp{
		clientv3.Compare(clientv3.Value(a), "=", "1"),
		clientv3.Compare(clientv3.Value(b), ">", "1"),
		clientv3.Compare(clientv3.Version(a), "<", 2),
		clientv3.Compare(clientv3.ModRevision(b), "=", made.Header.Revision),
		clientv3.Compare(clientv3.LeaseValue(a), "=", 0),
		clientv3.Compare(clientv3.CreateRevision(at.folder).WithPrefix(), "!=", made.Header.Revision+1),
	}
	nested, err := at.client.Txn(ctx).If(compares...).Then(
		clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value(a), "=", "other")},
			[]clientv3.Op{clientv3.OpPut(a, "wrong")},
			[]clientv3.Op{clientv3.OpPut(a, "nested"), clientv3.OpDelete(b, clientv3.WithPrevKV())}),
		clientv3.OpGet(a),
	).Commit()
	if err != nil {
		return "", err
	}
	if !nested.Succeeded || len(nested.Responses) != 2 {
		return "", fmt.Errorf("a compare failed: %v", nested)
	}
	inner := nested.Responses[0].GetResponseTxn()
	refused, err := at.client.Txn(ctx).If(clientv3.Compare(clientv3.Version(b), ">", 0)).
		Then(clientv3.OpPut(b, "wrong")).Else(clientv3.OpGet(b, clientv3.WithCountOnly())).Commit()
	if err != nil {
		return "", err
	}
	op, err := at.client.Do(ctx, clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpGet(a)}, nil))
	saw := fmt.Sprintf("made %t with [%s]; inner %t, deleted %d, then %s; refused %t; by Do: %d answers", made.Succeeded,
		names(at, inside.Kvs), inner.Succeeded, inner.Responses[1].GetResponseDeleteRange().Deleted,
		nested.Responses[1].GetResponseRange().Kvs[0].Value, !refused.Succeeded, len(op.Txn().Responses))
	return saw, first(err,
		want(nested.Header.Revision == made.Header.Revision+1, "a transaction is one revision"),
		want(refused.Header.Revision == nested.Header.Revision, "one without writes is none"))
}

func typedErrors(ctx context.Context, at *place) (string, error) {
	put, err := at.client.Put(ctx, at.key("k"), "v")
	if err != nil {
		return "", err
	}
	many := make([]clientv3.Op, 129)
	for n := range many {
		many[n] = clientv3.OpPut(at.key(fmt.Sprint(n)), "")
	}
	_, future := at.client.Get(ctx, at.key("k"), clientv3.WithRev(put.Header.Revision+1_000))
	_, empty := at.client.Put(ctx, "", "v")
	_, twice := at.client.Txn(ctx).Then(clientv3.OpPut(at.key("k"), "1"), clientv3.OpPut(at.key("k"), "2")).Commit()
	_, tooMany := at.client.Txn(ctx).Then(many...).Commit()
	_, lease := at.client.Put(ctx, at.key("k"), "v", clientv3.WithLease(4242))
	_, revoke := at.client.Revoke(ctx, 4242)
	_, keepAlive := at.client.KeepAliveOnce(ctx, 4242)
	_, large := at.client.Put(ctx, at.key("k"), strings.Repeat("v", 1_600_000))
	_, value := at.client.Put(ctx, at.key("k"), "v", clientv3.WithIgnoreValue())
	_, absent := at.client.Put(ctx, at.key("none"), "", clientv3.WithIgnoreValue())
	_, compact := at.client.Compact(ctx, put.Header.Revision+1_000)
	got := []error{future, empty, twice, tooMany, lease, revoke, keepAlive, large, absent, compact}
	wanted := []error{rpctypes.ErrFutureRev, rpctypes.ErrEmptyKey, rpctypes.ErrDuplicateKey, rpctypes.ErrTooManyOps,
		rpctypes.ErrLeaseNotFound, rpctypes.ErrLeaseNotFound, rpctypes.ErrLeaseNotFound, rpctypes.ErrRequestTooLarge,
		rpctypes.ErrKeyNotFound, rpctypes.ErrFutureRev}
	for n := range wanted {
		if !errors.Is(got[n], wanted[n]) {
			return "", fmt.Errorf("%v instead of %v", got[n], wanted[n])
		}
	}
	return fmt.Sprintf("%d errors, and %v", len(got), value), nil
}

func largeValues(ctx context.Context, at *place) (string, error) {
	value := strings.Repeat("large", 200_000)
	for n := range 12 {
		if _, err := at.client.Put(ctx, at.key(fmt.Sprint(n)), value); err != nil {
			return "", err
		}
	}
	got, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix())
	if err != nil {
		return "", err
	}
	bytes := 0
	for _, kv := range got.Kvs {
		bytes += len(kv.Value)
	}
	_, err = at.client.Delete(ctx, at.folder, clientv3.WithPrefix())
	return fmt.Sprintf("%d bytes", bytes), first(err, want(bytes == 12_000_000, "bytes are missing"))
}

func compaction(ctx context.Context, at *place) (string, error) {
	last, err := tenKeys(ctx, at)
	if err != nil {
		return "", err
	}
	if _, err = at.client.Compact(ctx, last-3, clientv3.WithCompactPhysical()); err != nil {
		return "", err
	}
	_, before := at.client.Get(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(last-4))
	_, again := at.client.Compact(ctx, last-3)
	at3, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithRev(last-3))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d keys at it; before it: %v; again: %v", at3.Count, before, again), first(
		want(errors.Is(before, rpctypes.ErrCompacted) && errors.Is(again, rpctypes.ErrCompacted), "not told that it is compacted"))
}

func membersAndStatus(ctx context.Context, at *place) (string, error) {
	list, err := at.client.MemberList(ctx)
	if err != nil {
		return "", err
	}
	ids := map[uint64]bool{}
	for _, member := range list.Members {
		ids[member.ID] = len(member.ClientURLs) == 1 && member.Name != "" && !member.IsLearner
	}
	leaders := map[uint64]bool{}
	for _, endpoint := range at.endpoints {
		status, err := at.client.Status(ctx, endpoint)
		if err != nil {
			return "", err
		}
		leaders[status.Leader] = true
		if !ids[status.Header.MemberId] || !ids[status.Leader] || status.DbSize <= 0 || status.Version == "" || status.RaftIndex == 0 {
			return "", fmt.Errorf("status %v of members %v", status, ids)
		}
		if _, err := at.client.Defragment(ctx, endpoint); err != nil {
			return "", err
		}
	}
	alarms, err := at.client.AlarmList(ctx)
	if err != nil {
		return "", err
	}
	// From now on the client knows the members by what they say of themselves.
	err = at.client.Sync(ctx)
	saw := fmt.Sprintf("%d members, %d leader, %d alarms, %d endpoints", len(ids), len(leaders), len(alarms.Alarms), len(at.client.Endpoints()))
	return saw, err
}
