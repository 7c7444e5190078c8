"""How long OpenMP's threads spin while they wait for work; to be set before torch is imported.

Between two parallel pieces of work the threads of GNU OpenMP, which torch brings on Linux, spin for some milliseconds
before they sleep. While another program keeps a core busy, the thread that has work then waits for the core on which a
waiting thread spins. Spinning for some microseconds is enough to bridge the gaps within a step, and costs a neighbour
little. It changes no result. `scripts/bench_contention.py` measures the effect.
"""

import os

SPIN_COUNT = 3000
"""Turns of the waiting loop, of 10 to 50 nanoseconds each; GNU OpenMP's own default is 300,000."""
CHOSEN_BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def spin_briefly() -> None:
    """Set the environment variable that GNU OpenMP reads when it is loaded, unless the user has chosen something."""
    if not any(name in os.environ for name in CHOSEN_BY_USER):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
