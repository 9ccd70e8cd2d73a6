import sys

seed = int(sys.argv[1])


def close():
    raise OSError(28, "No space left on device")


try:
    try:
        int(f"x{seed}")
    finally:
        close()
except OSError:
    raise ValueError(f"could not save {seed} files")
