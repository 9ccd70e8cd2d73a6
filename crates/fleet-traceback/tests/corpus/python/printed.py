# A program that catches all, prints the traceback on its own, and goes on at once.
import sys
import traceback

seed = int(sys.argv[1])
for step in range(3):
    try:
        raise ValueError(f"step {step + seed}")
    except ValueError:
        print("WARNING: Traceback (most recent call last):" + traceback.format_exc().split("\n", 1)[1].join(["\n", ""]), end="", file=sys.stderr)
    print(f"2026-11-22 06:00:0{step},123 INFO root: done", file=sys.stderr)
