"""What is tried again, and how often."""

import pytest

from chunkmap.io.retrying import ATTEMPTS, is_transient, with_retries


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


def test_the_last_error_is_raised_after_some_attempts():
    """What does not pass is raised as it is, after so many attempts; what passes is forgotten."""
    calls = []

    def always():
        calls.append(1)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        with_retries(always)
    assert len(calls) == ATTEMPTS

    def second():
        calls.append(1)
        if len(calls) == ATTEMPTS + 1:
            raise TimeoutError
        return "there"

    assert with_retries(second) == "there"
