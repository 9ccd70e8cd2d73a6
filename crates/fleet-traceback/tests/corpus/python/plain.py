import sys

seed = int(sys.argv[1])


class Loader:
    def load(self, path):
        with open(path) as file:
            return file.read()


def main():
    print("epoch", seed)
    Loader().load(f"/srv/data/part-{seed}.bin")


main()
