"""SECURITY.md names tests; they have to exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_promise_names_a_test_that_is_there():
    rows = re.findall(r'^\| (.+?) \| `(.+?)::(\w+)` \|$', (ROOT / 'SECURITY.md').read_text(encoding='utf-8'), re.M)
    assert len(rows) >= 10
    missing = [f'{file}::{test}' for _, file, test in rows
               if not (ROOT / file).is_file() or f'def {test}(' not in (ROOT / file).read_text(encoding='utf-8')]
    assert missing == []
