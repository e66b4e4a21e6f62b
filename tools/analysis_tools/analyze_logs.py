"""Draw the curves of runs: python tools/analysis_tools/analyze_logs.py WORK_DIR [WORK_DIR ...]."""

import sys

from schanger_mm.commands import curves
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(curves))
