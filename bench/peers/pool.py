"""Tasks that do next to nothing, through a pool of two processes: multiprocessing's and, as executor_…, concurrent.futures'."""
import concurrent.futures
import multiprocessing

from serve import serve

# Each an object of its own: the same one would be pickled once.
MIB = [bytes([i]) * 2**20 for i in range(64)]


def square(x):
    return x * x


def echo(data):
    return data


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


def map_there(count):
    pool.map(len, MIB[:count])


def map_and_back(count):
    pool.map(echo, MIB[:count])


def executor_apply(count):
    for x in range(count):
        executor.submit(square, x).result()


def executor_apply_async(count):
    results = [executor.submit(square, x) for x in range(count)]
    for result in results:
        result.result()


def executor_map_one(count):
    list(executor.map(square, range(count)))


def executor_map_default(count):
    """With the chunks that multiprocessing would make: here the default is one by one."""
    list(executor.map(square, range(count), chunksize=(count + 7) // 8))


def executor_imap_unordered(count):
    for result in concurrent.futures.as_completed([executor.submit(square, x) for x in range(count)]):
        result.result()


def executor_map_there(count):
    list(executor.map(len, MIB[:count]))


def executor_map_and_back(count):
    list(executor.map(echo, MIB[:count]))


def start_eight(count):
    for _ in range(count):
        with multiprocessing.get_context("fork").Pool(8):
            pass


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    with fork.Pool(2) as pool, concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as executor:
        serve({name: f for name, f in list(globals().items()) if callable(f) and f is not serve})
