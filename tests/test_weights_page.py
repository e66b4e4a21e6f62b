"""The numbers of docs/weights.md."""

import re
from math import sqrt
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / 'docs/weights.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| (\d+) \| (\d+) % \| ([\d.]+) to ([\d.]+) % \|$', PAGE, re.M)
Z = 1.959964


def wilson(wrong, total):
    """Return the bounds of the 95 % interval by Wilson (1927), in percent."""
    share = wrong / total
    centre = share + Z**2 / (2 * total)
    half = Z * sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return tuple(100 * (centre + sign * half) / (1 + Z**2 / total) for sign in (-1, 1))


def test_the_table_has_rows():
    assert [int(row[0]) for row in ROWS] == [0, 1, 2, 3, 5, 10, 15, 25]


@pytest.mark.parametrize(('wrong', 'share', 'low', 'high'), ROWS)
def test_the_intervals_are_those_of_wilson(wrong, share, low, high):
    assert int(share) == 2 * int(wrong)
    assert wilson(int(wrong), 50) == pytest.approx((float(low), float(high)), abs=0.051)
    k, n = int(wrong), 50
    formula = [(k + Z**2 / 2 + sign * Z * sqrt(k * (n - k) / n + Z**2 / 4)) / (n + Z**2) for sign in (-1, 1)]
    assert [100 * bound for bound in formula] == pytest.approx(wilson(k, n))


def test_what_the_text_says_of_none_wrong():
    assert wilson(0, 50)[1] == pytest.approx(100 / 14, abs=0.1)
    assert 100 * (1 - 0.05**(1 / 50)) == pytest.approx(5.8, abs=0.05)
    assert wilson(0, 200)[1] == pytest.approx(1.9, abs=0.05)
