import sys

seed = int(sys.argv[1])


def load_state_dict():
    raise RuntimeError(
        "Error(s) in loading state_dict for Net:\n"
        f'\tMissing key(s) in state_dict: "layer{seed}.weight".\n'
        f"\tsize mismatch for fc.bias: copying a param with shape torch.Size([{seed}])."
    )


load_state_dict()
