"""RQ: the verbs that enqueue (see ../README.md). The handlers are the functions of bench.py, called by their names."""
import bench
from redis import Redis
from rq import Queue

queue = Queue("bench", connection=Redis.from_url(bench.REDIS_URL))
# result_ttl=0: a finished job leaves nothing in Redis.


def push(work, first):
    queue.enqueue(f"bench.{work}", first, bench.TEXT, result_ttl=0)


def fill():
    for numbers in bench.chunks():
        queue.enqueue_many(
            [Queue.prepare_data(f"bench.{bench.WORK}", (i, bench.TEXT), result_ttl=0) for i in numbers]
        )


queue.connection.ping()
bench.produce(push, fill)
