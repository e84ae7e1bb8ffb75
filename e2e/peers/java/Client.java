import static java.nio.charset.StandardCharsets.UTF_8;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.election.LeaderKey;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.kv.GetResponse;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.CompactOption;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.watch.WatchEvent;
import io.etcd.jetcd.watch.WatchResponse;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

/**
 * An ordinary client of etcd in Java, which does what such clients do and says what it saw: a line for each check. It ends with
 * an error at the first that fails. The same lines are expected of every server.
 *
 * <p>Where a check needs a node to be lost, it asks whoever started the program: with a line on standard output that begins with
 * an exclamation mark, which is answered by an empty line on standard input.
 */
public final class Client {
    private static final int ANSWER_WITHIN_S = 15;
    private static final int ATTEMPTS_MAX = 40;
    private static final int EVENTS_MAX = 10_000;

    private final io.etcd.jetcd.Client client;
    private final List<String> endpoints;
    private final KV kv;
    private final BufferedReader answers = new BufferedReader(new InputStreamReader(System.in));

    private Client(List<String> endpoints) {
        this.endpoints = endpoints;
        client = connect(endpoints);
        kv = client.getKVClient();
    }

    private static io.etcd.jetcd.Client connect(List<String> endpoints) {
        return io.etcd.jetcd.Client.builder().endpoints(endpoints.toArray(new String[0])).build();
    }

    public static void main(String[] arguments) {
        try {
            new Client(List.of(arguments[0].split(","))).run();
        } catch (Exception | AssertionError error) {
            System.out.println("WRONG: " + error);
            error.printStackTrace();
            System.exit(1);
        }
        // Threads of the client would keep the program.
        System.exit(0);
    }

    private interface Check {
        String run() throws Exception;
    }

    private void run() throws Exception {
        check("put and get", this::putAndGet);
        check("ranges", this::ranges);
        check("transactions", this::transactions);
        check("errors", this::errors);
        check("watch", this::watch);
        check("watch what is compacted", this::watchCompacted);
        check("lease", this::lease);
        check("lock", this::lock);
        check("election", this::election);
        check("namespace", this::namespace);
        check("members and status", this::members);
        check("work goes on while a node is lost", this::nodeIsLost);
    }

    private static void check(String name, Check check) throws Exception {
        try {
            System.out.println(name + ": ok: " + check.run());
        } catch (Exception | AssertionError error) {
            throw new AssertionError(name + ": " + error, error);
        }
    }

    private String putAndGet() throws Exception {
        ByteSequence key = bytes("java/k");
        long first = answer(kv.put(key, bytes("1"))).getHeader().getRevision();
        var second = answer(kv.put(key, bytes("2"), PutOption.builder().withPrevKV().build()));
        KeyValue found = answer(kv.get(key)).getKvs().get(0);
        equal(found.getModRevision(), second.getHeader().getRevision());
        long deleted = answer(kv.delete(key)).getDeleted();
        GetResponse old = answer(kv.get(key, GetOption.builder().withRevision(first).build()));
        equal(answer(kv.get(key)).getCount(), 0L);
        return String.format("%s after %s, version %d, %d deleted, once %s", found.getValue(), second.getPrevKv().getValue(),
                found.getVersion(), deleted, old.getKvs().get(0).getValue());
    }

    private String ranges() throws Exception {
        ByteSequence prefix = bytes("java/range/");
        for (int n = 0; n < 10; n++) {
            answer(kv.put(bytes("java/range/" + n), bytes("" + (9 - n))));
        }
        String down = values(answer(kv.get(prefix, GetOption.builder().isPrefix(true)
                .withSortField(GetOption.SortTarget.VALUE).withSortOrder(GetOption.SortOrder.DESCEND).build())));
        var part = answer(kv.get(prefix, GetOption.builder().isPrefix(true).withLimit(3).build()));
        var count = answer(kv.get(prefix, GetOption.builder().isPrefix(true).withCountOnly(true).build()));
        serializableReadsShow(prefix, 10);
        var gone = answer(kv.delete(prefix, DeleteOption.builder().isPrefix(true).withPrevKV(true).build()));
        return String.format("[%s], [%s] more %b, %d, deleted %d of %d", down, values(part), part.isMore(), count.getCount(),
                gone.getDeleted(), gone.getPrevKvs().size());
    }

    /** A node may be behind, and a serializable read tells what it has: so it is asked again. */
    private void serializableReadsShow(ByteSequence prefix, long wanted) throws Exception {
        var option = GetOption.builder().isPrefix(true).withSerializable(true).build();
        long count = -1;
        for (int n = 0; n < ATTEMPTS_MAX && count != wanted; n++) {
            count = answer(kv.get(prefix, option)).getCount();
            Thread.sleep(100);
        }
        equal(count, wanted);
    }

    private static String values(GetResponse found) {
        return found.getKvs().stream().map(kv -> kv.getValue().toString()).collect(Collectors.joining(" "));
    }

    private String transactions() throws Exception {
        ByteSequence a = bytes("java/txn/a");
        ByteSequence b = bytes("java/txn/b");
        Cmp absent = new Cmp(a, Cmp.Op.EQUAL, CmpTarget.version(0));
        Op get = Op.get(a, GetOption.DEFAULT);
        TxnResponse made = answer(kv.txn().If(absent).Then(Op.put(a, bytes("1"), PutOption.DEFAULT), get).Else(get).commit());
        Op nested = Op.txn(new Cmp[] {new Cmp(a, Cmp.Op.EQUAL, CmpTarget.value(bytes("1")))},
                new Op[] {Op.put(b, bytes("2"), PutOption.DEFAULT)}, new Op[] {});
        TxnResponse inside = answer(kv.txn().Then(nested).commit());
        TxnResponse refused = answer(kv.txn().If(absent).Then(Op.delete(a, DeleteOption.DEFAULT)).Else(get).commit());
        return String.format("%b with %s, inside %b, refused %b with %s", made.isSucceeded(), values(made.getGetResponses().get(0)),
                inside.getTxnResponses().get(0).isSucceeded(), !refused.isSucceeded(), values(refused.getGetResponses().get(0)));
    }

    private String errors() {
        return String.join("; ",
                failure(kv.put(bytes(""), bytes("v"))),
                failure(kv.get(bytes("java/k"), GetOption.builder().withRevision(1_000_000_000L).build())),
                failure(kv.put(bytes("java/k"), bytes("v"), PutOption.builder().withLeaseId(4242).build())),
                failure(client.getLeaseClient().revoke(4242)),
                failure(client.getLeaseClient().keepAliveOnce(4242)));
    }

    private String watch() throws Exception {
        BlockingQueue<WatchResponse> seen = new ArrayBlockingQueue<>(EVENTS_MAX);
        WatchOption option = WatchOption.builder().isPrefix(true).withPrevKV(true).withCreateNotify(true).withRequireLeader(true).build();
        try (Watch.Watcher watcher = client.getWatchClient().watch(bytes("java/watch/"), option, listener(seen))) {
            equal(next(seen).isCreatedNotify(), true);
            answer(kv.put(bytes("java/watch/a"), bytes("1")));
            answer(kv.put(bytes("java/watch/a"), bytes("2")));
            answer(kv.delete(bytes("java/watch/a")));
            String saw = shown(events(seen, 3));
            watcher.requestProgress();
            WatchResponse progress = next(seen);
            return saw + ", progress " + progress.isProgressNotify();
        }
    }

    private String watchCompacted() throws Exception {
        BlockingQueue<WatchResponse> seen = new ArrayBlockingQueue<>(EVENTS_MAX);
        ByteSequence key = bytes("java/old/k");
        long start = answer(kv.put(key, bytes("1"))).getHeader().getRevision();
        answer(kv.put(key, bytes("2")));
        long last = answer(kv.put(key, bytes("3"))).getHeader().getRevision();
        WatchOption option = WatchOption.builder().withRevision(start).build();
        String saw;
        try (Watch.Watcher watcher = client.getWatchClient().watch(key, option, listener(seen))) {
            saw = shown(events(seen, 3));
        }
        CompletableFuture<Void> failed = new CompletableFuture<>();
        // At one member: another may know of the compaction a little later.
        try (io.etcd.jetcd.Client one = connect(endpoints.subList(0, 1))) {
            answer(one.getKVClient().compact(last, CompactOption.builder().withCompactPhysical(true).build()));
            one.getWatchClient().watch(key, option, Watch.listener(ignored -> { }, failed::completeExceptionally));
            return saw + "; " + failure(failed);
        }
    }

    private String lease() throws Exception {
        var leases = client.getLeaseClient();
        long id = answer(leases.grant(2)).getID();
        ByteSequence key = bytes("java/lease/k");
        answer(kv.put(key, bytes("v"), PutOption.builder().withLeaseId(id).build()));
        // Each comes a third of its time after the one before: these take longer than it would last by itself.
        CountDownLatch kept = new CountDownLatch(6);
        var keeper = leases.keepAlive(id, new StreamObserver<LeaseKeepAliveResponse>() {
            @Override
            public void onNext(LeaseKeepAliveResponse answer) {
                kept.countDown();
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {}
        });
        equal(kept.await(ANSWER_WITHIN_S, TimeUnit.SECONDS), true);
        keeper.close();
        var left = answer(leases.timeToLive(id, LeaseOption.builder().withAttachedKeys().build()));
        equal(left.getKeys().size(), 1);
        answer(leases.revoke(id));
        long gone = answer(leases.timeToLive(id, LeaseOption.DEFAULT)).getTTL();
        return String.format("%d s granted, then %d s, %d keys", left.getGrantedTTL(), gone, answer(kv.get(key)).getCount());
    }

    private String lock() throws Exception {
        var locks = client.getLockClient();
        ByteSequence name = bytes("java/lock");
        long mine = answer(client.getLeaseClient().grant(30)).getID();
        long theirs = answer(client.getLeaseClient().grant(30)).getID();
        ByteSequence held = answer(locks.lock(name, mine)).getKey();
        equal(held.toString().startsWith("java/lock/"), true);
        var waiting = locks.lock(name, theirs);
        // It waits as soon as its key is there.
        var beside = GetOption.builder().isPrefix(true).withCountOnly(true).build();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_WITHIN_S);
        while (answer(kv.get(name, beside)).getCount() < 2) {
            equal(System.nanoTime() < deadline, true);
        }
        boolean early = waiting.isDone();
        answer(locks.unlock(held));
        answer(locks.unlock(answer(waiting).getKey()));
        answer(client.getLeaseClient().revoke(mine));
        answer(client.getLeaseClient().revoke(theirs));
        return "one after the other: " + !early;
    }

    private String election() throws Exception {
        Election election = client.getElectionClient();
        ByteSequence name = bytes("java/seat");
        long mine = answer(client.getLeaseClient().grant(30)).getID();
        long theirs = answer(client.getLeaseClient().grant(30)).getID();
        String none = failure(election.leader(name));
        LeaderKey first = answer(election.campaign(name, mine, bytes("one"))).getLeader();
        BlockingQueue<String> seen = new ArrayBlockingQueue<>(EVENTS_MAX);
        election.observe(name, new Election.Listener() {
            @Override
            public void onNext(LeaderResponse answer) {
                seen.add(answer.getKv().getValue().toString());
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {}
        });
        String saw = next(seen);
        answer(election.proclaim(first, bytes("still one")));
        saw += ", " + next(seen);
        var campaign = election.campaign(name, theirs, bytes("two"));
        answer(election.resign(first));
        LeaderKey second = answer(campaign).getLeader();
        saw += ", " + next(seen);
        String after = failure(election.proclaim(first, bytes("wrong")));
        answer(election.resign(second));
        return saw + "; at first: " + none + "; afterwards: " + after;
    }

    private String namespace() throws Exception {
        try (io.etcd.jetcd.Client inside = io.etcd.jetcd.Client.builder().endpoints(endpoints.toArray(new String[0]))
                .namespace(bytes("java/inside/")).build()) {
            answer(inside.getKVClient().put(bytes("k"), bytes("v")));
            var found = answer(inside.getKVClient().get(bytes("k")));
            return found.getKvs().get(0).getKey() + ", outside " + answer(kv.get(bytes("java/inside/k"))).getCount();
        }
    }

    private String members() throws Exception {
        var members = answer(client.getClusterClient().listMember()).getMembers();
        for (var member : members) {
            equal(member.getClientURIs().size(), 1);
        }
        var status = answer(client.getMaintenanceClient().statusMember(endpoints.get(0)));
        equal(members.stream().anyMatch(member -> member.getId() == status.getLeader()), true);
        answer(client.getMaintenanceClient().defragmentMember(endpoints.get(0)));
        var alarms = answer(client.getMaintenanceClient().listAlarms()).getAlarms();
        return String.format("%d members, %s, %d alarms", members.size(), status.getVersion(), alarms.size());
    }

    /** The leader is lost and comes back while one counts and another watches. */
    private String nodeIsLost() throws Exception {
        ByteSequence key = bytes("java/count/k");
        BlockingQueue<WatchResponse> seen = new ArrayBlockingQueue<>(EVENTS_MAX);
        WatchOption option = WatchOption.builder().withCreateNotify(true).build();
        try (Watch.Watcher watcher = client.getWatchClient().watch(key, option, listener(seen))) {
            equal(next(seen).isCreatedNotify(), true);
            int count = 0;
            for (String what : List.of("", "lose leader", "bring back")) {
                if (!what.isEmpty()) {
                    System.out.println("!" + what);
                    answers.readLine();
                }
                for (int end = count + 20; count < end; count++) {
                    countUp(key, count);
                }
            }
            List<WatchEvent> events = events(seen, count);
            for (int n = 0; n < count; n++) {
                equal(events.get(n).getKeyValue().getVersion(), n + 1L);
            }
            return count + " writes, each seen once and in order";
        }
    }

    /** A write that was not answered is tried again: if it was done, the compare fails, and that is an answer. */
    private void countUp(ByteSequence key, int version) throws Exception {
        Exception last = null;
        for (int attempt = 0; attempt < 20; attempt++) {
            try {
                Cmp unchanged = new Cmp(key, Cmp.Op.EQUAL, CmpTarget.version(version));
                kv.txn().If(unchanged).Then(Op.put(key, bytes("" + version), PutOption.DEFAULT)).commit().get(2, TimeUnit.SECONDS);
                return;
            } catch (ExecutionException | TimeoutException error) {
                last = error;
                Thread.sleep(100);
            }
        }
        throw last;
    }

    private static Watch.Listener listener(BlockingQueue<WatchResponse> seen) {
        return Watch.listener(seen::add);
    }

    private static <T> T next(BlockingQueue<T> seen) throws InterruptedException {
        T next = seen.poll(ANSWER_WITHIN_S, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing came within " + ANSWER_WITHIN_S + " s");
        }
        return next;
    }

    private static List<WatchEvent> events(BlockingQueue<WatchResponse> seen, int count) throws InterruptedException {
        List<WatchEvent> events = new ArrayList<>();
        while (events.size() < count) {
            events.addAll(next(seen).getEvents());
        }
        equal(events.size(), count);
        return events;
    }

    private static String shown(List<WatchEvent> events) {
        return events.stream()
                .map(event -> event.getEventType() + " " + event.getKeyValue().getValue() + " was " + event.getPrevKV().getValue())
                .collect(Collectors.joining(", "));
    }

    private static <T> T answer(CompletableFuture<T> future) throws Exception {
        return future.get(ANSWER_WITHIN_S, TimeUnit.SECONDS);
    }

    private static String failure(CompletableFuture<?> future) {
        try {
            Object found = answer(future);
            throw new AssertionError("it did not fail: " + found);
        } catch (Exception error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return cause.getMessage();
        }
    }

    private static ByteSequence bytes(String text) {
        return ByteSequence.from(text, UTF_8);
    }

    private static void equal(Object found, Object wanted) {
        if (!found.equals(wanted)) {
            throw new AssertionError(found + " instead of " + wanted);
        }
    }
}
