package main

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

var kubernetesChecks = []check{
	{"kubernetes writes", kubernetesWrites},
	{"kubernetes lists", kubernetesLists},
	{"kubernetes compacts", kubernetesCompacts},
}

func kubernetesClient(at *place) (*kubernetes.Client, error) {
	return kubernetes.New(config(at.endpoints))
}

func kubernetesWrites(ctx context.Context, at *place) (string, error) {
	client, err := kubernetesClient(at)
	if err != nil {
		return "", err
	}
	defer client.Close()
	k := at.key("pod")
	get := kubernetes.PutOptions{GetOnFailure: true}
	made, err := client.Kubernetes.OptimisticPut(ctx, k, []byte("1"), 0, get)
	if err != nil {
		return "", err
	}
	twice, err := client.Kubernetes.OptimisticPut(ctx, k, []byte("wrong"), 0, get)
	if err != nil {
		return "", err
	}
	changed, err := client.Kubernetes.OptimisticPut(ctx, k, []byte("2"), made.Revision, get)
	if err != nil {
		return "", err
	}
	stale, err := client.Kubernetes.OptimisticDelete(ctx, k, made.Revision, kubernetes.DeleteOptions{GetOnFailure: true})
	if err != nil {
		return "", err
	}
	before, err := client.Kubernetes.Get(ctx, k, kubernetes.GetOptions{Revision: made.Revision})
	if err != nil {
		return "", err
	}
	gone, err := client.Kubernetes.OptimisticDelete(ctx, k, changed.Revision, kubernetes.DeleteOptions{})
	if err != nil {
		return "", err
	}
	none, err := client.Kubernetes.Get(ctx, k, kubernetes.GetOptions{})
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("made %t, twice %t (there is %s), changed %t %+d, stale %t (there is %s), before %s, gone %t, left %v",
		made.Succeeded, twice.Succeeded, twice.KV.Value, changed.Succeeded, changed.Revision-made.Revision, stale.Succeeded,
		stale.KV.Value, before.KV.Value, gone.Succeeded, none.KV)
	return saw, want(none.Revision >= gone.Revision, "the revision went back")
}

func kubernetesLists(ctx context.Context, at *place) (string, error) {
	client, err := kubernetesClient(at)
	if err != nil {
		return "", err
	}
	defer client.Close()
	for n := range 25 {
		if _, err = client.Kubernetes.OptimisticPut(ctx, at.key(fmt.Sprintf("%02d", n)), []byte("v"), 0, kubernetes.PutOptions{}); err != nil {
			return "", err
		}
	}
	page, err := client.Kubernetes.List(ctx, at.folder, kubernetes.ListOptions{Limit: 10})
	if err != nil {
		return "", err
	}
	saw := fmt.Sprintf("%d of %d", len(page.Kvs), page.Count)
	// The pages that follow show the revision of the first.
	if _, err = at.client.Delete(ctx, at.folder, clientv3.WithPrefix()); err != nil {
		return "", err
	}
	at1 := page.Revision
	for len(page.Kvs) > 0 {
		next := string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		page, err = client.Kubernetes.List(ctx, at.folder, kubernetes.ListOptions{Limit: 10, Continue: next, Revision: at1})
		if err != nil {
			return saw, err
		}
		saw += fmt.Sprintf(", %d of %d", len(page.Kvs), page.Count)
	}
	count, err := client.Kubernetes.Count(ctx, at.folder, kubernetes.CountOptions{})
	return fmt.Sprintf("%s; %d left", saw, count), err
}

func kubernetesCompacts(ctx context.Context, at *place) (string, error) {
	client, err := kubernetesClient(at)
	if err != nil {
		return "", err
	}
	defer client.Close()
	made, err := client.Kubernetes.OptimisticPut(ctx, at.key("k"), []byte("1"), 0, kubernetes.PutOptions{})
	if err != nil {
		return "", err
	}
	changed, err := client.Kubernetes.OptimisticPut(ctx, at.key("k"), []byte("2"), made.Revision, kubernetes.PutOptions{})
	if err != nil {
		return "", err
	}
	// As kube-apiserver does it: whoever raises the counter compacts.
	counter := at.key("compact_rev_key")
	raised, err := client.Txn(ctx).If(clientv3.Compare(clientv3.Version(counter), "=", 0)).
		Then(clientv3.OpPut(counter, fmt.Sprint(changed.Revision))).Else(clientv3.OpGet(counter)).Commit()
	if err != nil {
		return "", err
	}
	if _, err = client.Compact(ctx, changed.Revision); err != nil {
		return "", err
	}
	_, old := client.Kubernetes.Get(ctx, at.key("k"), kubernetes.GetOptions{Revision: made.Revision})
	_, list := client.Kubernetes.List(ctx, at.folder, kubernetes.ListOptions{Revision: made.Revision})
	return fmt.Sprintf("raised %t, then: %v", raised.Succeeded, old),
		want(errors.Is(old, rpctypes.ErrCompacted) && errors.Is(list, rpctypes.ErrCompacted), "%v, %v", old, list)
}
