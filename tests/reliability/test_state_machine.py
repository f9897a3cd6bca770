"""Any order of writers, readers and kills: briefly here, longer by `make soak`."""

import sys

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Sets

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are killed as on Linux")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_was_said_to_be_done_is_what_is_read():
    """Builds, appends, conversions, kills at any change or byte, and two processes leave what the model says."""
    brief = settings(
        max_examples=6,
        stateful_step_count=10,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Sets, settings=brief)
    assert Sets.kills["kills"] > 3
