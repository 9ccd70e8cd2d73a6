import faulthandler
import sys
import time


def wait():
    faulthandler.dump_traceback(all_threads=True)
    time.sleep(0.2)


print("step", sys.argv[1], flush=True)
wait()
print("went on")
