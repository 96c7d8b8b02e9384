"""A manager's dict, list and lock, from the process that started it."""
import multiprocessing
from multiprocessing.managers import SyncManager

from serve import serve, stay_on_own_cpu


def dict_get(count):
    for _ in range(count):
        shared_dict["key"]


def dict_set(count):
    for _ in range(count):
        shared_dict["key"] = 2


def list_get(count):
    for _ in range(count):
        shared_list[1]


def lock_unlock(count):
    for _ in range(count):
        lock.acquire()
        lock.release()


def new_list(count):
    for _ in range(count):
        manager.list()


def dict_get_tcp(count):
    for _ in range(count):
        far["key"]


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    # Servers have a processor of their own; the client is on another.
    remote = SyncManager(address=("127.0.0.1", 0), ctx=context)
    remote.start(stay_on_own_cpu, (1,))
    manager = SyncManager(ctx=context)
    manager.start(stay_on_own_cpu, (1,))
    stay_on_own_cpu(0)
    with manager:
        shared_dict = manager.dict({"key": 1})
        shared_list = manager.list([1, 2, 3])
        lock = manager.Lock()
        far = remote.dict({"key": 1})
        serve({f.__name__: f for f in (dict_get, dict_set, list_get, lock_unlock, new_list, dict_get_tcp)})
    remote.shutdown()
