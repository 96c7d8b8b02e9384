"""Messages through multiprocessing.Pipe, to a process that echoes them or counts them."""
import multiprocessing

from serve import serve, stay_on_own_cpu

SMALL = bytes(64)
LARGE = bytes(1 << 20)


class Record:
    def __init__(self, number, name, samples):
        self.number = number
        self.name = name
        self.samples = samples


RECORD = Record(7, "a name of a record", [float(i) for i in range(16)])


def echo_bytes(conn):
    while True:
        conn.send_bytes(conn.recv_bytes())


def echo_objects(conn):
    while True:
        conn.send(conn.recv())


def count_bytes(conn):
    while True:
        for _ in range(conn.recv()):
            conn.recv_bytes()
        conn.send(True)


def on_second_cpu(target, conn):
    stay_on_own_cpu(1)
    target(conn)


def start(target):
    ours, theirs = context.Pipe()
    context.Process(target=on_second_cpu, args=(target, theirs), daemon=True).start()
    return ours


def round_trip(count):
    for _ in range(count):
        echo.send_bytes(SMALL)
        echo.recv_bytes()


def struct_round_trip(count):
    for _ in range(count):
        objects.send(RECORD)
        objects.recv()


def send_many(message, count):
    counter.send(count)
    for _ in range(count):
        counter.send_bytes(message)
    counter.recv()


def one_way(count):
    send_many(SMALL, count)


def one_way_large(count):
    send_many(LARGE, count)


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    echo = start(echo_bytes)
    objects = start(echo_objects)
    counter = start(count_bytes)
    stay_on_own_cpu(0)
    serve({f.__name__: f for f in (round_trip, struct_round_trip, one_way, one_way_large)})
