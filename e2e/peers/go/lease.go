package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leaseChecks = []check{
	{"a lease is kept", leaseKept},
	{"a lease ends", leaseEnds},
	{"a lease is revoked", leaseRevoked},
}

func leaseKept(ctx context.Context, at *place) (string, error) {
	grant, err := at.client.Grant(ctx, 2)
	if err != nil {
		return "", err
	}
	if _, err = at.client.Put(ctx, at.key("k"), "v", clientv3.WithLease(grant.ID)); err != nil {
		return "", err
	}
	alive, err := at.client.KeepAlive(ctx, grant.ID)
	if err != nil {
		return "", err
	}
	kept := 0
	began := time.Now()
	// Twice as long as it would last by itself.
	for time.Since(began) < 5*time.Second {
		answer := <-alive
		if answer == nil || answer.TTL <= 0 {
			return "", fmt.Errorf("it was no longer kept: %v", answer)
		}
		kept++
	}
	once, err := at.client.KeepAliveOnce(ctx, grant.ID)
	if err != nil {
		return "", err
	}
	left, err := at.client.TimeToLive(ctx, grant.ID, clientv3.WithAttachedKeys())
	if err != nil {
		return "", err
	}
	got, err := at.client.Get(ctx, at.key("k"))
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("%d s once more, %d granted, %d key, %d there", once.TTL, left.GrantedTTL, len(left.Keys), got.Count)
	return saw, first(want(kept >= 4, "kept %d times", kept), want(left.TTL > 0, "%d s left", left.TTL),
		want(got.Count == 1 && got.Kvs[0].Lease == int64(grant.ID), "the key is %v", got.Kvs))
}

func leaseEnds(ctx context.Context, at *place) (string, error) {
	watch := at.client.Watch(ctx, at.folder, clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	if err := created(watch); err != nil {
		return "", err
	}
	grant, err := at.client.Grant(ctx, 2)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"a", "b"} {
		if _, err = at.client.Put(ctx, at.key(name), "v", clientv3.WithLease(grant.ID)); err != nil {
			return "", err
		}
	}
	all, err := events(ctx, watch, 4)
	if err != nil {
		return "", err
	}
	a, b := all[2], all[3]
	left, err := at.client.TimeToLive(ctx, grant.ID)
	if err != nil {
		return "", err
	}
	_, once := at.client.KeepAliveOnce(ctx, grant.ID)
	saw := fmt.Sprintf("%s %s, %s %s; %d s left; %v", a.Type, a.PrevKv.GetValue(), b.Type, b.PrevKv.GetValue(), left.TTL, once)
	return saw, want(a.Kv.ModRevision == b.Kv.ModRevision, "the keys of a lease go together")
}

func leaseRevoked(ctx context.Context, at *place) (string, error) {
	grant, err := at.client.Grant(ctx, 600)
	if err != nil {
		return "", err
	}
	if _, err = at.client.Put(ctx, at.key("k"), "v", clientv3.WithLease(grant.ID)); err != nil {
		return "", err
	}
	all, err := at.client.Leases(ctx)
	if err != nil {
		return "", err
	}
	listed := false
	for _, lease := range all.Leases {
		listed = listed || lease.ID == grant.ID
	}
	if _, err = at.client.Revoke(ctx, grant.ID); err != nil {
		return "", err
	}
	_, twice := at.client.Revoke(ctx, grant.ID)
	got, err := at.client.Get(ctx, at.key("k"))
	if err != nil {
		return "", err
	}
	_, attach := at.client.Put(ctx, at.key("k"), "v", clientv3.WithLease(grant.ID))
	// A channel of a lease that is gone is closed.
	alive, err := at.client.KeepAlive(ctx, grant.ID)
	if err != nil {
		return "", err
	}
	_, open := <-alive
	saw := fmt.Sprintf("listed %t, %d keys left, kept on %t", listed, got.Count, open)
	return saw, first(want(errors.Is(twice, rpctypes.ErrLeaseNotFound) && errors.Is(attach, rpctypes.ErrLeaseNotFound), "%v, %v", twice, attach))
}
