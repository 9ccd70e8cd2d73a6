# What torch does with TORCH_NCCL... set: each line of a rank's traceback begins with its name.
# Without torch, the same excepthook by hand; torchrun's agent merges the ranks line by line.
import sys
import traceback

seed = int(sys.argv[1])


def forward(rank):
    if rank:
        raise ValueError(f"rank {rank} has {seed} samples")
    raise RuntimeError(f"CUDA out of memory. Tried to allocate {seed}.00 MiB")


said = []
for rank in range(2):
    try:
        forward(rank)
    except Exception:
        said.append([f"[rank{rank}]: {line}" for line in traceback.format_exc().splitlines()])
print("step 1")
for number in range(max(map(len, said))):
    for lines in said:
        if number < len(lines):
            print(lines[number])
print("[rank0]: bye")
