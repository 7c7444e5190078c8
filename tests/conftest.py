"""What every test runs with."""

import os

# One thread for each worker: two that wait for each other on one core take five times as long.
os.environ["OMP_NUM_THREADS"] = "1"
