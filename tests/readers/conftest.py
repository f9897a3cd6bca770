"""The cases and the scripts of the readers can be imported by name here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
