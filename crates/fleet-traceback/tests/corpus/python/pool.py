import multiprocessing
import sys

seed = int(sys.argv[1])


def work(item):
    return 1 / (item - seed)


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(work, [seed])
