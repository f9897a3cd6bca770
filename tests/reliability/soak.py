"""The machine of writers, readers and kills for as long as one likes, each time in another order.

    python tests/reliability/soak.py [--seconds 600]

Prints what it did, and exits with 1, and the shortest order of steps, where a set did not hold what it should.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parent))

from machine import Sets


def main() -> None:
    """Machine after machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    warnings.filterwarnings("ignore", "This process", DeprecationWarning)
    chance = settings(
        max_examples=20,
        stateful_step_count=30,
        deadline=None,
        derandomize=False,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    started, rounds = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        run_state_machine_as_test(Sets, settings=chance)
        rounds += 1
        sys.stdout.write(f"{time.monotonic() - started:.0f} s, {rounds * 20} machines, {dict(Sets.kills)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
