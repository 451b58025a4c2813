"""arq: its worker and the verbs that enqueue (see ../README.md)."""
import asyncio
import functools
import sys

import arq
import bench
import uvloop
from arq.connections import RedisSettings
from arq.worker import func, run_worker

SETTINGS = RedisSettings.from_dsn(bench.REDIS_URL)


async def perform(work, _context, first, text):
    await bench.perform_async(work, first, text)


class Worker:
    redis_settings = SETTINGS
    functions = [func(functools.partial(perform, work), name=work, keep_result=0) for work in bench.PLAIN]
    max_jobs = bench.CONCURRENCY
    # It polls: with the default of 0.5 s it drains a fifth and starts a job a quarter of a second late.
    poll_delay = 0.01
    keep_result = 0
    job_completion_wait = 0


async def main():
    pool = await arq.create_pool(SETTINGS)
    await bench.produce_async(lambda work, first: pool.enqueue_job(work, first, bench.TEXT))


asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
if sys.argv[1] == "work":
    asyncio.set_event_loop(asyncio.new_event_loop())
    run_worker(Worker)
else:
    asyncio.run(main())
