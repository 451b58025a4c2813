"""Celery: its tasks, for the worker, and the verbs that enqueue (see ../README.md)."""
import bench
from celery import Celery

app = Celery("bench", broker=bench.REDIS_URL)
app.conf.update(
    task_default_queue="bench",
    task_ignore_result=True,
    # Its optimizing guide: a high multiplier for short tasks.
    worker_prefetch_multiplier=64,
    # A message is acknowledged after the task, so that it survives a crash, as with the others here.
    task_acks_late=True,
    # One connection for each of the 64 callers of push64.
    broker_pool_limit=64,
    broker_connection_retry_on_startup=True,
)
tasks = {name: app.task(name=name)(function) for name, function in bench.PLAIN.items()}


def push(work, first):
    tasks[work].delay(first, bench.TEXT)


if __name__ == "__main__":
    app.connection_for_write().ensure_connection()
    # No bulk call: its users loop.
    bench.produce(push)
