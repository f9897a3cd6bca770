"""What the tests of spreading have done by other processes: a module of its own, which they load quickly."""

from __future__ import annotations

import os
import sys
import time
import warnings

from chunkmap.errors import FormatError


def told(number):
    """The process that does it, and the number."""
    return os.getpid(), number


def told_slowly(number):
    """The same, after a while."""
    time.sleep(0.02)
    return told(number)


def deadly_slowly(number):
    """A number after a while; whoever else is asked dies of it."""
    time.sleep(0.02)
    return number if os.getpid() == int(os.environ["CHUNKMAP_TEST_CALLER"]) else os._exit(1)


def noisy(number):
    """A number, after a warning and a line of print."""
    sys.stdout.write("something of a library")
    sys.stdout.flush()
    warnings.warn(f"number {number}", UserWarning, stacklevel=1)
    return number


def refused_at_seven(number):
    """A number, but for two of them."""
    if number >= 7:
        raise FormatError(f"not {number}", url="a.nc")
    return number


def deadly(number):
    """A number; whoever is asked for 5 dies of it, but for the process that asks."""
    if number == 5 and os.getpid() != int(os.environ["CHUNKMAP_TEST_CALLER"]):
        os._exit(1)
    return number


def endless(number):
    """A number for the caller, and nothing for a long time in another process."""
    if os.getpid() != int(os.environ["CHUNKMAP_TEST_CALLER"]):
        time.sleep(600)
    return number


def long(name):
    """Far more than a pipe holds."""
    return name.encode() * 20
