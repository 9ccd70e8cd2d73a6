import sys

seed = int(sys.argv[1])

try:
    raise ExceptionGroup("first", [ValueError(seed)])
except ExceptionGroup as group:
    raise RuntimeError(f"after the group {seed}") from group
