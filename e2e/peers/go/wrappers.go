package main

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/ordering"
)

var wrapperChecks = []check{
	{"a namespace", inNamespace},
	{"a mirror", mirrored},
	{"reads in order", readsInOrder},
	{"keys that are leased", leasedKeys},
	{"endpoints by name", endpointsByName},
}

func inNamespace(ctx context.Context, at *place) (string, error) {
	client, err := at.another()
	if err != nil {
		return "", err
	}
	defer client.Close()
	client.KV = namespace.NewKV(client.KV, at.folder)
	client.Watcher = namespace.NewWatcher(client.Watcher, at.folder)
	client.Lease = namespace.NewLease(client.Lease, at.folder)
	watch := client.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	if err = created(watch); err != nil {
		return "", err
	}
	grant, err := client.Grant(ctx, 600)
	if err != nil {
		return "", err
	}
	done, err := client.Txn(ctx).If(clientv3.Compare(clientv3.Version("a"), "=", 0)).
		Then(clientv3.OpPut("a", "1", clientv3.WithLease(grant.ID)), clientv3.OpGet("", clientv3.WithFromKey())).Commit()
	if err != nil {
		return "", err
	}
	all, err := events(ctx, watch, 1)
	if err != nil {
		return "", err
	}
	left, err := client.TimeToLive(ctx, grant.ID, clientv3.WithAttachedKeys())
	if err != nil || len(left.Keys) != 1 {
		return "", errors.Join(err, fmt.Errorf("keys of the lease: %q", left.Keys))
	}
	outside, err := at.client.Get(ctx, at.key("a"))
	saw := fmt.Sprintf("%t, inside %s, event of %s, lease of %s, outside %d", done.Succeeded,
		done.Responses[1].GetResponseRange().Kvs[0].Key, all[0].Kv.Key, left.Keys[0], outside.Count)
	return saw, err
}

func mirrored(ctx context.Context, at *place) (string, error) {
	const before, after = 2_500, 10
	for n := 0; n < before; n += 100 {
		var puts []clientv3.Op
		for m := range 100 {
			puts = append(puts, clientv3.OpPut(at.key(fmt.Sprintf("%04d", n+m)), "v"))
		}
		if _, err := at.client.Txn(ctx).Then(puts...).Commit(); err != nil {
			return "", err
		}
	}
	syncer := mirror.NewSyncer(at.client, at.folder, 0)
	parts, failed := syncer.SyncBase(ctx)
	copied := map[string]*mvccpb.KeyValue{}
	for part := range parts {
		for _, kv := range part.Kvs {
			copied[string(kv.Key)] = kv
		}
	}
	if err := <-failed; err != nil {
		return "", err
	}
	updates := syncer.SyncUpdates(ctx)
	for n := range after {
		if _, err := at.client.Delete(ctx, at.key(fmt.Sprintf("%04d", n))); err != nil {
			return "", err
		}
	}
	all, err := events(ctx, updates, after)
	if err != nil {
		return "", err
	}
	for _, event := range all {
		delete(copied, string(event.Kv.Key))
	}
	there, err := at.client.Get(ctx, at.folder, clientv3.WithPrefix())
	if err != nil {
		return "", err
	}
	for _, kv := range there.Kvs {
		if copied[string(kv.Key)].GetModRevision() != kv.ModRevision {
			return "", fmt.Errorf("the copy of %s is another", kv.Key)
		}
	}
	return fmt.Sprintf("%d keys, %d of the copy", len(there.Kvs), len(copied)), want(len(there.Kvs) == len(copied), "they differ")
}

func readsInOrder(ctx context.Context, at *place) (string, error) {
	client, err := at.another()
	if err != nil {
		return "", err
	}
	defer client.Close()
	kv := ordering.NewKV(client.KV, ordering.NewOrderViolationSwitchEndpointClosure(client))
	var last int64
	for n := range 50 {
		if _, err = kv.Put(ctx, at.key("k"), fmt.Sprint(n)); err != nil {
			return "", err
		}
		if _, err = kv.Get(ctx, at.key("k")); err != nil {
			return "", err
		}
		got, err := kv.Get(ctx, at.key("k"), clientv3.WithSerializable())
		if err != nil {
			return "", err
		}
		if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != fmt.Sprint(n) || got.Header.Revision < last {
			return "", fmt.Errorf("read %v after %d", got, n)
		}
		last = got.Header.Revision
	}
	return "50 serializable reads showed what was written", nil
}

func leasedKeys(ctx context.Context, at *place) (string, error) {
	other, err := at.another()
	if err != nil {
		return "", err
	}
	defer other.Close()
	mine, end, err := leasing.NewKV(at.client, at.key("leases/"))
	if err != nil {
		return "", err
	}
	defer end()
	theirs, endOther, err := leasing.NewKV(other, at.key("leases/"))
	if err != nil {
		return "", err
	}
	defer endOther()
	if _, err = mine.Put(ctx, at.key("k"), "mine"); err != nil {
		return "", err
	}
	one, err := mine.Get(ctx, at.key("k"))
	if err != nil {
		return "", err
	}
	two, err := mine.Get(ctx, at.key("k"))
	if err != nil {
		return "", err
	}
	if _, err = theirs.Put(ctx, at.key("k"), "theirs"); err != nil {
		return "", err
	}
	three, err := mine.Get(ctx, at.key("k"))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s %s", one.Kvs[0].Value, two.Kvs[0].Value, three.Kvs[0].Value), nil
}

func endpointsByName(ctx context.Context, at *place) (string, error) {
	// At one member: it reads what that one has.
	client, err := connect(at.endpoints[:1])
	if err != nil {
		return "", err
	}
	defer client.Close()
	manager, err := endpoints.NewManager(client, at.key("service"))
	if err != nil {
		return "", err
	}
	watch, err := manager.NewWatchChannel(ctx)
	if err != nil {
		return "", err
	}
	name := at.key("service") + "/one"
	if err = manager.AddEndpoint(ctx, name, endpoints.Endpoint{Addr: "127.0.0.1:1"}); err != nil {
		return "", err
	}
	all, err := manager.List(ctx)
	if err != nil {
		return "", err
	}
	if err = manager.DeleteEndpoint(ctx, name); err != nil {
		return "", err
	}
	saw := all[name].Addr
	for seen := 0; seen < 2; {
		select {
		case updates := <-watch:
			for _, update := range updates {
				saw += fmt.Sprintf(", %d", update.Op)
				seen++
			}
		case <-ctx.Done():
			return saw, ctx.Err()
		}
	}
	return saw, nil
}
