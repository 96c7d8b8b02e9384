"""Items on their way through a queue."""
import multiprocessing

from serve import serve, stay_on_own_cpu

context = multiprocessing.get_context("fork")


class Stream:
    """As many producers as consumers around one queue."""

    def __init__(self, sides, item):
        self.sides = sides
        self.queue = context.Queue()
        self.done = context.Semaphore(0)
        self.workers = []
        for side, work in enumerate([self.produce, self.consume] * sides):
            here, there = context.Pipe()
            context.Process(target=self.run, args=(side, work, there, item), daemon=True).start()
            self.workers.append(here)

    def produce(self, count, item):
        for _ in range(count):
            self.queue.put(item)

    def consume(self, count, _):
        for _ in range(count):
            self.queue.get()

    def run(self, side, work, orders, item):
        stay_on_own_cpu(side)
        while True:
            work(orders.recv(), item)
            self.done.release()

    def __call__(self, count):
        for worker in self.workers:
            worker.send(count // self.sides)
        for _ in self.workers:
            self.done.acquire()


if __name__ == "__main__":
    serve({"one_to_one": Stream(1, b"x" * 64), "two_to_two": Stream(2, b"x" * 64), "large": Stream(1, b"x" * 2**20)})
