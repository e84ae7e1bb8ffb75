"""Ordinary clients of etcd in Python, which do what such clients do and say what they saw: a line for each check.

etcd3 and aetcd speak gRPC, etcd3gw the JSON gateway. Each talks to a node of its own. The program ends with an error at the
first check that fails. The same lines are expected of every server.
"""

import asyncio
import os
import queue
import signal
import sys
from contextlib import contextmanager
from urllib.parse import urlparse

# What protoc made for etcd3 is too old for the fast implementation of protobuf.
os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"

import aetcd
import etcd3
import etcd3gw

ANSWER_WITHIN_S = 10
PROGRAM_WITHIN_S = 120


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


def failure(call):
    """What a call fails with."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    raise AssertionError("it did not fail")


# etcd3, which knows one node and waits for each answer.


def etcd3_keys(client):
    client.put("py/k", "1")
    before = client.put("py/k", "2", prev_kv=True)
    value, about = client.get("py/k")
    equal((value, about.version, before.prev_kv.value), (b"2", 2, b"1"))
    equal(client.get("py/none"), (None, None))
    equal(client.put_if_not_exists("py/k", "3"), False)
    equal(client.put_if_not_exists("py/new", "3"), True)
    equal(client.replace("py/k", "other", "4"), False)
    equal(client.replace("py/k", "2", "4"), True)
    equal((client.delete("py/k"), client.delete("py/k")), (True, False))
    return f"version {about.version}, {failure(lambda: client.put('', 'v'))}"


def etcd3_ranges(client):
    for number in range(10):
        client.put(f"py/range/{number}", str(9 - number))
    names = lambda found: " ".join(about.key.decode()[-1] for _, about in found)
    down = names(client.get_prefix("py/range/", sort_order="descend"))
    by_value = names(client.get_prefix("py/range/", sort_order="ascend", sort_target="value"))
    part = names(client.get_range("py/range/3", "py/range/6"))
    all_of_them = len(list(client.get_all()))
    deleted = client.delete_prefix("py/range/").deleted
    return f"[{down}] [{by_value}] [{part}], {deleted} deleted of {all_of_them >= 10}"


def etcd3_transactions(client):
    client.put("py/txn/a", "1")
    is_one = client.transactions.value("py/txn/a") == "1"
    fresh = client.transactions.version("py/txn/a") > 0
    both = [client.transactions.put("py/txn/b", "2"), client.transactions.get("py/txn/a")]
    done, answers = client.transaction(compare=[is_one, fresh], success=both, failure=[])
    refused, _ = client.transaction(
        compare=[client.transactions.mod("py/txn/b") == 1], success=[client.transactions.delete("py/txn/b")], failure=[]
    )
    equal((done, refused), (True, False))
    return f"{len(answers)} answers, {answers[1][0][0].decode()}"


def etcd3_watch(client):
    events = queue.Queue(maxsize=100)
    number = client.add_watch_prefix_callback("py/watch/", lambda answer: [events.put(event) for event in answer.events])
    client.put("py/watch/a", "1")
    client.put("py/watch/a", "2")
    client.delete("py/watch/a")
    seen = [events.get(timeout=ANSWER_WITHIN_S) for _ in range(3)]
    client.cancel_watch(number)
    start = seen[0].mod_revision
    iterator, cancel = client.watch_prefix("py/watch/", start_revision=start)
    again = [next(iterator) for _ in range(3)]
    cancel()
    equal([event.mod_revision for event in again], [event.mod_revision for event in seen])
    client.compact(start + 1)
    iterator, _ = client.watch_prefix("py/watch/", start_revision=start)
    compacted = failure(lambda: next(iterator))
    return " ".join(f"{type(event).__name__} {event.value.decode()}" for event in seen) + f", {compacted}"


def etcd3_leases(client):
    lease = client.lease(60)
    client.put("py/lease/a", "1", lease=lease)
    kept = lease.refresh()[0].TTL
    equal((lease.granted_ttl, lease.keys, lease.remaining_ttl > 0), (60, [b"py/lease/a"], True))
    lease.revoke()
    equal(client.get("py/lease/a"), (None, None))
    return f"{kept} s"


def etcd3_locks(client):
    mine, theirs = client.lock("py-lock", ttl=20), client.lock("py-lock", ttl=20)
    equal(mine.acquire(timeout=5), True)
    refused = theirs.acquire(timeout=1)
    mine.refresh()
    mine.release()
    taken = theirs.acquire(timeout=5)
    held = theirs.is_acquired()
    theirs.release()
    equal((refused, taken, held, mine.is_acquired()), (False, True, True, False))
    return "one at a time"


def etcd3_members(client):
    members, status = list(client.members), client.status()
    alarms = len(list(client.list_alarms()))
    client.defragment()
    equal(status.leader.id in [member.id for member in members], True)
    equal([len(member.client_urls) for member in members], [1] * len(members))
    return f"{len(members)} members, {status.version}, {alarms} alarms"


# aetcd, the same for asyncio.


async def aetcd_keys(client):
    await client.put(b"py/async/k", b"1")
    await client.put(b"py/async/k", b"2")
    found = await client.get(b"py/async/k")
    replaced = await client.replace(b"py/async/k", b"2", b"3")
    pages = await client.get_prefix(b"py/async/")
    gone = await client.delete(b"py/async/k", prev_kv=True)
    equal((found.value, found.version, replaced, len(pages), gone.prev_kv.value), (b"2", 2, True, 1, b"3"))
    equal(await client.get(b"py/async/none"), None)
    return "as written"


async def aetcd_transactions(client):
    txn = client.transactions
    done, answers = await client.transaction(
        compare=[txn.version(b"py/async/t") == 0],
        success=[txn.put(b"py/async/t", b"1"), txn.get(b"py/async/t")],
        failure=[],
    )
    return f"{done}, {len(answers)} answers"


async def aetcd_watch(client):
    watch = await client.watch_prefix(b"py/async/w/")
    await client.put(b"py/async/w/a", b"1")
    await client.delete(b"py/async/w/a")
    seen = []
    async for event in watch:
        seen.append(f"{event.kind} {event.kv.value.decode()}")
        if len(seen) == 2:
            await watch.cancel()
            break
    return ", ".join(seen)


async def aetcd_locks(client):
    lease = await client.lease(60)
    await client.put(b"py/async/leased", b"1", lease=lease)
    async with client.lock(b"py-async-lock", ttl=20) as lock:
        held = await lock.is_acquired()
    left = await lease.remaining_ttl()
    await lease.revoke()
    equal((held, left > 0, await client.get(b"py/async/leased")), (True, True, None))
    return "held"


# etcd3gw, by JSON over HTTP.


def gateway_keys(client):
    equal((client.put("py/gw/k", "1"), client.get("py/gw/k")), (True, [b"1"]))
    equal((client.create("py/gw/k", "2"), client.create("py/gw/new", "2")), (False, True))
    equal((client.replace("py/gw/k", "1", "3"), client.replace("py/gw/k", "1", "4")), (True, False))
    found = client.get_prefix("py/gw/", sort_order="descend", sort_target="key")
    names = [about["key"].decode() for _, about in found]
    equal((client.delete("py/gw/new"), client.delete("py/gw/new"), client.get("py/gw/new")), (True, False, []))
    client.put(b"py/gw/\xff\x00", b"\x00\xff")
    equal(client.get(b"py/gw/\xff\x00"), [b"\x00\xff"])
    equal(client.delete_prefix("py/gw/"), True)
    return " ".join(names)


def gateway_transactions(client):
    key, value = etcd3gw.utils._encode("py/gw/t"), etcd3gw.utils._encode("v")
    answer = client.transaction(
        {
            "compare": [{"key": key, "result": "EQUAL", "target": "CREATE", "create_revision": 0}],
            "success": [{"request_put": {"key": key, "value": value}}, {"request_range": {"key": key}}],
            "failure": [],
        }
    )
    return f"{answer['succeeded']}, {len(answer['responses'])} answers, {answer['responses'][1]['response_range']['count']}"


def gateway_watch(client):
    # It does not wait until the watch is there: the revision says where it begins.
    now = int(client.status()["header"]["revision"])
    iterator, cancel = client.watch_prefix("py/gw/w/", start_revision=now + 1)
    client.put("py/gw/w/a", "1")
    client.delete("py/gw/w/a")
    seen = []
    for event in iterator:
        seen.append(event)
        if len(seen) == 2:
            cancel()
            break
    equal(seen[0]["kv"]["value"], b"1")
    return ", ".join(event.get("type", "PUT") for event in seen)


def gateway_leases(client):
    lease = client.lease(ttl=60)
    client.put("py/gw/leased", "1", lease=lease)
    kept, keys, left = lease.refresh(), lease.keys(), lease.ttl()
    revoked = lease.revoke()
    equal((keys, left > 0, revoked, client.get("py/gw/leased")), ([b"py/gw/leased"], True, True, []))
    return f"{kept} s"


def gateway_locks(client):
    with client.lock(id="py-gw-lock", ttl=20) as lock:
        held = lock.is_acquired()
        other = client.lock(id="py-gw-lock", ttl=20).acquire()
    equal((held, other, lock.is_acquired()), (True, False, False))
    return "one at a time"


def gateway_members(client):
    status, members = client.status(), client.members()
    ids = [member["ID"] for member in members]
    equal(status["leader"] in ids and status["header"]["member_id"] in ids, True)
    return f"{len(members)} members, {status['version']}"


@contextmanager
def named(check):
    """Says what a check saw, which it puts into the list, or what was wrong."""
    saw = []
    name = check.__name__.replace("_", " ")
    try:
        yield saw
    except BaseException as error:
        print(f"{name}: WRONG: {error!r}", flush=True)
        raise
    print(f"{name}: ok: {saw[0]}", flush=True)


def node(url):
    parts = urlparse(url)
    return {"host": parts.hostname, "port": parts.port}


async def in_async(address):
    async with aetcd.Client(**address, timeout=ANSWER_WITHIN_S) as client:
        for check in (aetcd_keys, aetcd_transactions, aetcd_watch, aetcd_locks):
            with named(check) as saw:
                saw.append(await asyncio.wait_for(check(client), 3 * ANSWER_WITHIN_S))


def main():
    one, two, three = (node(url) for url in sys.argv[1].split(","))
    # Some calls of these clients know no bound.
    signal.alarm(PROGRAM_WITHIN_S)
    with etcd3.client(**one, timeout=ANSWER_WITHIN_S) as client:
        for check in (etcd3_keys, etcd3_ranges, etcd3_transactions, etcd3_watch, etcd3_leases, etcd3_locks, etcd3_members):
            with named(check) as saw:
                saw.append(check(client))
    asyncio.run(in_async(two))
    client = etcd3gw.client(**three, timeout=ANSWER_WITHIN_S)
    for check in (gateway_keys, gateway_transactions, gateway_watch, gateway_leases, gateway_locks, gateway_members):
        with named(check) as saw:
            saw.append(check(client))


main()
