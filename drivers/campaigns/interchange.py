"""Parsl's interchange, which ends with its campaign, however that ends.

Its workers then end, too, and leave their block of the batch system to whoever comes next.
"""

import runpy
import signal

from hopkin.drivers.engine import end_with_parent

if __name__ == "__main__":
    end_with_parent(signal.SIGKILL)
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__", alter_sys=True)
