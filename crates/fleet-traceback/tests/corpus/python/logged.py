import logging
import sys

seed = int(sys.argv[1])
logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
logging.info("begin")
for turn in range(2):
    try:
        [][seed]
    except IndexError:
        logging.exception("turn %d failed\nand will be tried again", turn)
logging.error("gave up after %d turns", seed)
