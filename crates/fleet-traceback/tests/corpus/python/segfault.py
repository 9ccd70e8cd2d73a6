import ctypes
import faulthandler
import sys
import threading

faulthandler.enable()
seed = int(sys.argv[1])
threading.Thread(target=threading.Event().wait, daemon=True).start()


def crash():
    ctypes.string_at(seed)


crash()
