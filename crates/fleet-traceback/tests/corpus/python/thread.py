import sys
import threading

seed = int(sys.argv[1])


def feed():
    raise ConnectionResetError(104, f"Connection reset by peer {seed}")


thread = threading.Thread(target=feed, name=f"feeder-{seed}")
thread.start()
thread.join()
print("the main thread goes on")
