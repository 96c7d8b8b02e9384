"""Tasks that do next to nothing, through a pool of two processes."""
import multiprocessing

from serve import serve


def square(x):
    return x * x


def apply(count):
    for x in range(count):
        pool.apply(square, (x,))


def apply_async(count):
    results = [pool.apply_async(square, (x,)) for x in range(count)]
    for result in results:
        result.get()


def map_one(count):
    pool.map(square, range(count), chunksize=1)


def map_default(count):
    pool.map(square, range(count))


def imap_unordered(count):
    for _ in pool.imap_unordered(square, range(count)):
        pass


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        serve({f.__name__: f for f in (apply, apply_async, map_one, map_default, imap_unordered)})
