import sys

seed = int(sys.argv[1])


def fail(error):
    raise error


def gather():
    errors = []
    for error in (ValueError(f"bad {seed}"), TypeError("no"), ExceptionGroup("inner", [KeyError("x")])):
        try:
            fail(error)
        except Exception as caught:
            errors.append(caught)
    raise ExceptionGroup(f"{seed} tasks failed", errors)


gather()
