"""What the Python contenders share: the five kinds of work, plain and asynchronous, and the verbs that enqueue."""
import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

REDIS_URL = os.environ["REDIS_URL"]
JOBS = int(os.environ.get("JOBS", 0))
CONCURRENCY = int(os.environ.get("CONCURRENCY", 1))
WORK = os.environ.get("WORK", "noop")
PACE = int(os.environ.get("PACE_MS", 10)) / 1000
TEXT = "x" * 102

_latency_file = None


def noop(_i, _text):
    pass


def sleep1(_i, _text):
    time.sleep(0.001)


def sleep10(_i, _text):
    time.sleep(0.010)


def compute1(_i, _text):
    # The thread's own CPU time: on the wall clock, waiting for Python's lock would count as work.
    end = time.thread_time_ns() + 1_000_000
    while time.thread_time_ns() < end:
        pass


def latency(pushed, _text):
    global _latency_file
    nanoseconds = time.time_ns() - pushed
    # O_APPEND and one write a line: several processes and threads may share the file.
    if _latency_file is None:
        _latency_file = os.open(os.environ["LATENCY_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_latency_file, b"%d\n" % nanoseconds)


PLAIN = {function.__name__: function for function in (noop, sleep1, sleep10, compute1, latency)}


async def perform_async(work, first, text):
    if work == "sleep1":
        await asyncio.sleep(0.001)
    elif work == "sleep10":
        await asyncio.sleep(0.010)
    else:
        PLAIN[work](first, text)


def _report(start):
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


def produce(push, fill=None):
    """Runs the verb of the command line: push(work, first) enqueues one job, fill() all by the peer's bulk call."""
    def one_by_one(numbers=range(JOBS)):
        for i in numbers:
            push(WORK, i)

    def from_64_threads():
        with ThreadPoolExecutor(64) as threads:
            list(threads.map(one_by_one, [range(caller, JOBS, 64) for caller in range(64)]))

    def paced():
        start = time.monotonic()
        for i in range(JOBS):
            time.sleep(max(0, start + i * PACE - time.monotonic()))
            push("latency", time.time_ns())

    verb = {"fill": fill or one_by_one, "push": one_by_one, "push64": from_64_threads, "pickup": paced}[sys.argv[1]]
    start = time.perf_counter()
    verb()
    _report(start)


async def produce_async(push):
    """The same for a push(work, first) that is awaited. These peers have no bulk call: fill pushes from 64 tasks."""
    async def some(numbers):
        for i in numbers:
            await push(WORK, i)

    async def from_64_tasks():
        await asyncio.gather(*(some(range(caller, JOBS, 64)) for caller in range(64)))

    async def paced():
        start = time.monotonic()
        for i in range(JOBS):
            await asyncio.sleep(max(0, start + i * PACE - time.monotonic()))
            await push("latency", time.time_ns())

    verbs = {"fill": from_64_tasks, "push": lambda: some(range(JOBS)), "push64": from_64_tasks, "pickup": paced}
    start = time.perf_counter()
    await verbs[sys.argv[1]]()
    _report(start)


def chunks(size=1000):
    """The numbers of all jobs, `size` at a time."""
    return (range(start, min(start + size, JOBS)) for start in range(0, JOBS, size))
