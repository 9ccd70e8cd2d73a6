import asyncio
import sys

seed = int(sys.argv[1])


async def fetch(n):
    await asyncio.sleep(0)
    raise TimeoutError(f"no answer after {seed} ms")


async def main():
    await asyncio.gather(fetch(1))


asyncio.run(main())
