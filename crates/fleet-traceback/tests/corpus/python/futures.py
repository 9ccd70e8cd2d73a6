import concurrent.futures
import sys

seed = int(sys.argv[1])


def work(item):
    raise LookupError(f"item {item} is missing")


if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        pool.submit(work, seed).result()
