// An ordinary client of etcd in Go, which does what such clients do and says what it saw: a line for each check. It ends with an
// error at the first that fails. The same lines are expected of every server.
//
// Where a check needs a node to be lost, it asks whoever started the program: with a line on standard output that begins with
// an exclamation mark, which is answered by an empty line on standard input.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	dialWithin  = 5 * time.Second
	checkWithin = 40 * time.Second
)

// A check has a folder of keys of its own, and returns what it saw.
type check struct {
	name string
	run  func(ctx context.Context, at *place) (string, error)
}

// Where a check does its work.
type place struct {
	client    *clientv3.Client
	endpoints []string
	// What the keys of this check begin with.
	folder string
}

func (at *place) key(name string) string { return at.folder + name }

// Another client of the same servers.
func (at *place) another() (*clientv3.Client, error) { return connect(at.endpoints) }

func connect(endpoints []string) (*clientv3.Client, error) { return clientv3.New(config(endpoints)) }

func config(endpoints []string) clientv3.Config {
	return clientv3.Config{Endpoints: endpoints, DialTimeout: dialWithin, Logger: zap.NewNop()}
}

var answers = bufio.NewReader(os.Stdin)

// Asks whoever started this program for something, and waits until it is done.
func ask(what string) error {
	fmt.Println("!" + what)
	if _, err := answers.ReadString('\n'); err != nil {
		return fmt.Errorf("nobody did %q: %w", what, err)
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: client ENDPOINT,ENDPOINT,...")
		os.Exit(2)
	}
	endpoints := strings.Split(os.Args[1], ",")
	client, err := connect(endpoints)
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed to connect:", err)
		os.Exit(1)
	}
	defer client.Close()
	groups := [][]check{kvChecks, watchChecks, leaseChecks, concurrencyChecks, recipeChecks, wrapperChecks, kubernetesChecks, lossChecks}
	for _, group := range groups {
		for _, check := range group {
			at := &place{client, endpoints, "go/" + strings.ReplaceAll(check.name, " ", "-") + "/"}
			ctx, cancel := context.WithTimeout(context.Background(), checkWithin)
			saw, err := check.run(ctx, at)
			cancel()
			if err != nil {
				fmt.Printf("%s: WRONG: %v (saw: %s)\n", check.name, err, saw)
				os.Exit(1)
			}
			fmt.Printf("%s: ok: %s\n", check.name, saw)
		}
	}
}

// The first error of several steps.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// An error unless it holds.
func want(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}
