"""Values, arrays and memory that processes share."""
from multiprocessing.shared_memory import ShareableList, SharedMemory

from rival import Rival, context
from serve import serve

value = context.Value("q", 0)
array = context.Array("d", 1_000_000)
items = ShareableList([1, 2.5, "text"])


def update(count):
    for _ in range(count):
        with value.get_lock():
            value.value += 1


def array_sum(count):
    for _ in range(count):
        with array.get_lock():
            sum(array.get_obj())


def array_set(count):
    for i in range(count):
        array[i] = 1.5


def create_memory(count):
    for _ in range(count):
        memory = SharedMemory(create=True, size=4096)
        memory.close()
        memory.unlink()


def set_item(count):
    for i in range(count):
        items[0] = i


if __name__ == "__main__":
    contended = Rival(update).run
    try:
        serve(
            {
                "update": update,
                "contended_update": contended,
                "array_sum": array_sum,
                "array_set": array_set,
                "create_memory": create_memory,
                "set_item": set_item,
            }
        )
    finally:
        items.shm.close()
        items.shm.unlink()
