"""Run ``schanger`` as ``python -m schanger_mm``."""

import sys

from schanger_mm.commands.main import main

if __name__ == '__main__':
    sys.exit(main())
