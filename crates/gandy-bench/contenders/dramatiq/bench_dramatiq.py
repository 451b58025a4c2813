"""Dramatiq: its actors, for the worker, and the verbs that enqueue (see ../README.md)."""
import bench
import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=bench.REDIS_URL)
dramatiq.set_broker(broker)
actors = {
    name: dramatiq.actor(function, actor_name=name, queue_name="bench") for name, function in bench.PLAIN.items()
}


def push(work, first):
    actors[work].send(first, bench.TEXT)


if __name__ == "__main__":
    broker.client.ping()
    # No bulk call: its users loop.
    bench.produce(push)
