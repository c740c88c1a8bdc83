"""How often torch's first call of a function goes wrong, with and without `settle_vector_math`.

    python benchmarks/vector_math.py [PROCESSES]

Waves of forked processes, eight at a time with eight threads each, call functions twice on the same numbers:
https://github.com/pytorch/pytorch/issues/188792. Seen on two cores (torch 2.13): 9 of 3200 differ by 1.5e-4,
none of 3200 once they are settled.
"""

import os
import sys

import torch

from hopkin.drivers.models.adapters.vector_math import settle_vector_math

AT_ONCE, THREADS = 8, 8
FUNCTIONS = (torch.sin, torch.cos, torch.sqrt, torch.exp, torch.tanh, torch.log)


def first_difference(*, settled: bool) -> float:
    torch.set_num_threads(1)
    numbers = torch.rand(40_000) * 20 + 0.1
    if settled:
        settle_vector_math()
    torch.set_num_threads(THREADS)
    return max(float((call(numbers) - call(numbers)).abs().max()) for call in FUNCTIONS)


def differences(processes: int, *, settled: bool) -> list[float]:
    found = []
    for _ in range(processes // AT_ONCE):
        pipes = [os.pipe() for _ in range(AT_ONCE)]
        for _, write in pipes:
            if os.fork() == 0:
                os.write(write, repr(first_difference(settled=settled)).encode())
                os._exit(0)
        for read, write in pipes:
            os.close(write)
            found.append(float(os.read(read, 100)))
            os.close(read)
            os.wait()
    return found


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 3200
    for settled in (False, True):
        found = differences(n, settled=settled)
        wrong = sum(difference > 0 for difference in found)
        print(f"{settled=}: {wrong} of {len(found)} processes, worst {max(found):.1e}", flush=True)
