"""taskiq: its tasks, for the worker, and the verbs that enqueue (see ../README.md)."""
import bench
import uvloop
from taskiq_redis import RedisStreamBroker

# The broker with acknowledgements. consumer_id 0: the group sees what was pushed before it was made.
broker = RedisStreamBroker(bench.REDIS_URL, consumer_id="0")


def task(work):
    async def perform(first, text):
        await bench.perform_async(work, first, text)

    return broker.register_task(perform, task_name=work)


tasks = {work: task(work) for work in bench.PLAIN}


async def main():
    await broker.startup()
    await bench.produce_async(lambda work, first: tasks[work].kiq(first, bench.TEXT))
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
