"""What is tried again, and how often."""

import time
from email.utils import formatdate

import pytest

from chunkmap.io.retrying import is_transient, remarks, with_retries


class AnswerError(Exception):
    """What an HTTP client raises for an answer that is none."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


def caused_by(cause):
    error = FileNotFoundError("a.nc")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (AnswerError(503), True),
        (AnswerError(404), False),
        (caused_by(AnswerError(503)), True),
        (caused_by(AnswerError(404)), False),
        (PermissionError(), False),
        (ValueError(), False),
    ],
)
def test_what_may_pass(error, passes):
    """Resets, time-outs and busy servers may pass, also as the cause of another error; a refusal does not."""
    assert is_transient(error) is passes


def test_the_last_error_is_raised_after_some_time(monkeypatch):
    """What does not pass is raised as it is, with a note of how often and long; what passes is forgotten."""
    clock = [0.0]
    monkeypatch.setattr("chunkmap.io.retrying.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("chunkmap.io.retrying.time.sleep", lambda seconds: clock.append(clock.pop() + seconds))
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 60.0)
    calls = []

    def always():
        calls.append(1)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError) as caught:
        with_retries(always)
    assert remarks(caught.value).startswith(f"tried {len(calls)} times in ")
    assert 5 < len(calls) < 20

    def second():
        calls.append(2)
        if calls.count(2) == 1:
            raise TimeoutError
        return "there"

    assert with_retries(second) == "there"


def test_what_a_server_asks_for_is_waited_for(monkeypatch):
    """Retry-After, in seconds or as a date, is the least wait; one that is longer than the patience ends it at once."""
    waits = []
    monkeypatch.setattr("chunkmap.io.retrying.time.sleep", waits.append)
    monkeypatch.setattr("chunkmap.io.retrying.PATIENCE", 60.0)

    def busy(*answers):
        left = list(answers)

        def call():
            if left:
                error = AnswerError(429)
                error.headers = {"Retry-After": left.pop(0)}
                raise error

        return call

    with_retries(busy("7", formatdate(time.time() + 20, usegmt=True), "soon"))
    assert waits[0] == 7
    assert 17 < waits[1] <= 20
    assert waits[2] < 1
    with pytest.raises(AnswerError) as caught:
        with_retries(busy("3600"))
    assert "the server asks to wait 3600 s" in remarks(caught.value)
