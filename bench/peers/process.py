"""Starting a process that does nothing, and joining it."""
import multiprocessing

from serve import serve


def nothing():
    pass


def start_and_join(method):
    context = multiprocessing.get_context(method)

    def run(count):
        for _ in range(count):
            process = context.Process(target=nothing)
            process.start()
            process.join()

    return run


if __name__ == "__main__":
    serve({method: start_and_join(method) for method in ("fork", "spawn", "forkserver")})
