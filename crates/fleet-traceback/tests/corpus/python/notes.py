import sys

seed = int(sys.argv[1])
error = RuntimeError(f"loss is not finite at step {seed}")
error.add_note(f"batch {seed}")
error.add_note("try a smaller learning rate")
raise error
