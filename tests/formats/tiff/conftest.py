"""Tests of TIFF stand in one folder with what they share."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
