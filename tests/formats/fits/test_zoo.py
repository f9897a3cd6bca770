"""Random files beside astropy."""

import importlib.util
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

spec = importlib.util.spec_from_file_location("fits_zoo", Path(__file__).with_name("zoo.py"))
zoo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zoo)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(zoo.files(), st.sampled_from([None, 1, 500, 5000]))
def test_random_files(tmp_path, reading, hdus, nbytes):
    """Whatever astropy writes is read as astropy reads it, in chunks of any size, and nothing is refused."""
    path = zoo.write(tmp_path / "a.fits", hdus)
    refs = reading.check(path, chunk_nbytes=nbytes)
    assert not refs.problems
    assert refs.arrays
