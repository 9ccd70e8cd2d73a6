import sys

seed = int(sys.argv[1])


class Handle:
    def __del__(self):
        raise RuntimeError(f"handle {seed} is closed already")


handle = Handle()
del handle
print("goes on")
