"""taskiq: its tasks, for the worker, and the verbs that enqueue (see ../README.md)."""
import functools

import bench
import uvloop
from taskiq_redis import RedisStreamBroker

# The broker with acknowledgements. consumer_id 0: the group sees what was pushed before it was made.
broker = RedisStreamBroker(bench.REDIS_URL, consumer_id="0")


async def perform(work, first, text):
    await bench.perform_async(work, first, text)


tasks = {work: broker.register_task(functools.partial(perform, work), task_name=work) for work in bench.PLAIN}


async def main():
    await broker.startup()
    await bench.produce_async(lambda work, first: tasks[work].kiq(first, bench.TEXT))
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
