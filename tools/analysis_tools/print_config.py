"""Print a config with everything it inherits: python tools/analysis_tools/print_config.py CONFIG."""

import sys

from schanger_mm.commands import config_show
from schanger_mm.commands.cli import run

if __name__ == '__main__':
    sys.exit(run(config_show))
