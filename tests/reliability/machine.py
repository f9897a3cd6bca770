"""Writers, readers and kills in any order, beside a model in memory: what a set holds is what was last said to be done.

A writer that is to die runs in a process of its own, which ends itself (SIGKILL) before its n-th call that changes
what is on the disk, or with its n-th byte of a file (SIGXFSZ). What it wrote is then all there, or nothing of it.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from quick_place import quick_parent

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array
from chunkmap.errors import ChunkmapError, CombineError
from chunkmap.storage import place

FILES = 6
STEPS = 3
DONE, REFUSED, FAILED = 0, 3, 4
"""How a writer's process ends by itself."""

CHANGES = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "shutil.rmtree"})
"""What Python tells before it asks the system for it."""

numbers = st.integers(0, FILES - 1)
deaths = st.one_of(st.integers(1, 45), st.integers(-1200, -1))
"""The change before which a writer dies, or less than 0 the byte with which he does."""


def write_files(directory: Path) -> list[str]:
    """Files of a few steps each, of which number k holds k."""
    paths = []
    for number in range(FILES):
        paths.append(str(directory / f"{number}.h5"))
        with h5py.File(paths[-1], "w") as file:
            time = file.create_dataset("time", data=np.arange(float(STEPS)) + STEPS * number)
            time.make_scale("time")
            v = file.create_dataset("v", data=np.full((STEPS, 30), number, "f8"), chunks=(1, 30))
            v.dims[0].attach_scale(time)
    return paths


def held(out: Path) -> list[int]:
    """The files that a set holds, in their order, by the values that are read through it."""
    arrays = chunkmap.load(out).arrays
    values, time = (read_array(arrays[name], Fetcher()) for name in ("v", "time"))
    assert (values == values[:, :1]).all()
    found = [int(value) for value in values[::STEPS, 0].tolist()]
    assert values[:, 0].tolist() == [number for number in found for _ in range(STEPS)]
    assert time.tolist() == [STEPS * number + step for number in found for step in range(STEPS)]
    return found


def _in_a_process(call: Callable[[], Any], directory: Path, death: int = 0) -> int:
    """Start a writer that may die."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        os.fsync = lambda _file: None  # what a process wrote that is killed is there without it; nobody cuts the power
        if death:
            _die_at(death, str(directory))
        try:
            call()
        except CombineError:
            os._exit(REFUSED)
        os._exit(DONE)
    except BaseException:  # noqa: BLE001 - said by how it ends, and why
        traceback.print_exc()
        os._exit(FAILED)


def _die_at(death: int, directory: str) -> None:
    if death < 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (-death, resource.RLIM_INFINITY))
        return
    left = [death]

    def change(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event != "open" or (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if event in CHANGES and writes and arguments and str(arguments[0]).startswith(directory):
            change()

    real_exchange = place._exchange
    os.fsync = change
    place._exchange = lambda one, other: (change(), real_exchange(one, other))[1]
    sys.addaudithook(audit)


def _ended(child: int) -> int:
    """How a process ended: its status, or less than 0 the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Sets(RuleBasedStateMachine):
    """Two sets, of Parquet and of JSON, and what they hold by what was done to them."""

    kills: ClassVar[dict[str, int]] = {"kills": 0, "runs": 0, "old": 0, "new": 0}
    """Counted over all machines, for who reports them."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="chunkmap-machine-", dir=quick_parent()))
        self.paths = write_files(self.directory)
        self.model: dict[str, list[int]] = {}
        (self.directory / "out").mkdir()
        if not self.kills["runs"]:  # what is imported here need not be by every process
            for name in ("warm.parq", "warm.json"):
                chunkmap.build(self.paths[:1], self.directory / name, concat_dims=["time"])
                chunkmap.append(self.directory / name, self.paths[1:2], concat_dims=["time"])
                assert held(self.directory / name) == [0, 1]

    def out(self, name: str) -> Path:
        return self.directory / "out" / name

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    def _build(self, name: str, chosen: set[int]) -> Callable[[], Any]:
        paths = [self.paths[number] for number in sorted(chosen)]
        return lambda: chunkmap.build(paths, self.out(name), concat_dims=["time"], record_size=2)

    def _append(self, name: str, number: int) -> Callable[[], Any]:
        return lambda: chunkmap.append(self.out(name), [self.paths[number]], concat_dims=["time"])

    def _run(self, name: str, call: Callable[[], Any], after: list[int], death: int) -> None:
        """Run a writer; what it leaves is what was there, or what it was to write."""
        before = self.model.get(name)
        self.kills["runs"] += 1
        status = _ended(_in_a_process(call, self.directory / "out", death))
        assert status in (DONE, -signal.SIGKILL, -signal.SIGXFSZ), status
        if status == DONE:
            self.model[name] = after
            return
        self.kills["kills"] += 1
        try:
            found = held(self.out(name))
        except ChunkmapError:
            assert before is None
            assert not self.out(name).exists()
            return
        assert found in (before, after), (before, after)
        self.kills["new" if found == after else "old"] += 1
        self.model[name] = found

    @rule(name=st.sampled_from(["a.parq", "b.json"]), chosen=st.sets(numbers, min_size=1), death=st.just(0) | deaths)
    def build(self, name: str, chosen: set[int], death: int) -> None:
        self._run(name, self._build(name, chosen), sorted(chosen), death)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), number=numbers, death=st.just(0) | deaths)
    def append(self, data: Any, number: int, death: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        if number in self.model[name]:
            status = _ended(_in_a_process(self._append(name, number), self.directory / "out"))
            changes_nothing = status == DONE and self.model[name] == [number]  # the same references once more
            assert status == REFUSED or changes_nothing, status
        else:
            self._run(name, self._append(name, number), sorted([*self.model[name], number]), death)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), death=st.just(0) | deaths)
    def convert(self, data: Any, death: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        other = "b.json" if name == "a.parq" else "a.parq"
        self._run(
            other, lambda: chunkmap.write(chunkmap.load(self.out(name)), self.out(other)), self.model[name], death
        )

    @precondition(lambda self: any(len(held) < FILES for held in self.model.values()))
    @rule(data=st.data())
    def two_append(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, held in self.model.items() if len(held) < FILES)))
        missing = sorted(set(range(FILES)) - set(self.model[name]))
        chosen = data.draw(st.lists(st.sampled_from(missing), min_size=1, max_size=2, unique=True))
        children = [_in_a_process(self._append(name, number), self.directory / "out") for number in chosen]
        assert [_ended(child) for child in children] == [DONE] * len(chosen)
        self.model[name] = sorted([*self.model[name], *chosen])

    @rule(first=st.sets(numbers, min_size=1), second=st.sets(numbers, min_size=1))
    def two_build(self, first: set[int], second: set[int]) -> None:
        children = [_in_a_process(self._build("a.parq", chosen), self.directory / "out") for chosen in (first, second)]
        assert [_ended(child) for child in children] == [DONE, DONE]
        found = held(self.out("a.parq"))
        assert found in (sorted(first), sorted(second))
        self.model["a.parq"] = found

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def verify(self, data: Any) -> None:
        assert chunkmap.verify(self.out(data.draw(st.sampled_from(sorted(self.model)))), decode="all") or self.model

    @invariant()
    def is_what_the_model_says(self) -> None:
        for name, numbers_held in getattr(self, "model", {}).items():
            assert held(self.out(name)) == numbers_held
