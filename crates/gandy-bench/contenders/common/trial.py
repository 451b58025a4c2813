"""What contenders/check runs its trials with: a redis-server of its own, and a worker that must end by SIGTERM."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time


class Failed(Exception):
    pass


def wait(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what} took over {seconds} s")
        time.sleep(0.02)


@contextlib.contextmanager
def redis_server(folder):
    """A redis-server on a free port, which is given back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Debian's redis-tools has the server too, under the name redis-check-rdb.
    program = shutil.which(os.environ.get("REDIS_SERVER", "redis-server")) or shutil.which("redis-check-rdb")
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen(command, executable=program, stdout=subprocess.DEVNULL)
    ping = ["redis-cli", "-p", str(port), "PING"]
    try:
        wait("redis-server", 10, lambda: subprocess.run(ping, capture_output=True).stdout == b"PONG\n")
        yield port
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def worker(command, env, log):
    """A worker in a session of its own, all of which must end by SIGTERM within 10 s."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, start_new_session=True, stdout=out, stderr=out, env=env)

    def alive():
        listed = subprocess.run(["ps", "-s", str(process.pid), "-o", "pid=,stat="], text=True, capture_output=True)
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if "Z" not in line]

    try:
        yield lambda: process.poll() is None
        process.send_signal(signal.SIGTERM)
        wait("the end after SIGTERM", 10, lambda: process.poll() is not None and not alive())
    finally:
        for left in alive():
            os.kill(left, signal.SIGKILL)
        process.wait()
