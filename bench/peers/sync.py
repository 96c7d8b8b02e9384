"""Locks and semaphores, free and fought over by two processes."""
from rival import Rival, context
from serve import serve

lock = context.Lock()
rlock = context.RLock()
semaphore = context.Semaphore(1)


def use(mutex):
    def run(count):
        acquire, release = mutex.acquire, mutex.release
        for _ in range(count):
            acquire()
            release()

    return run


if __name__ == "__main__":
    serve(
        {
            "lock": use(lock),
            "rlock": use(rlock),
            "semaphore": use(semaphore),
            "contended_lock": Rival(use(lock)).run,
            "contended_semaphore": Rival(use(semaphore)).run,
        }
    )
