import sys

seed = int(sys.argv[1])
batch = {"sizes": [seed, 0]}


def rate(batch):
    return 1 + batch["sizes"][0] / batch["sizes"][1] + (
        seed * 2
    )


print("before", flush=True)
rate(batch)
