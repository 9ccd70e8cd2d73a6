import sys

sys.setrecursionlimit(100 + int(sys.argv[1]))


def down(n):
    return down(n + 1)


down(0)
