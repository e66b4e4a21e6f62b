import hashlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.data_tools.draw import (
    count_of,
    group_names,
    look_like_tiles,
    rank_groups,
    read_percent,
    read_share,
    take,
)
from schanger_mm.datasets import DatasetError

NAMES = st.lists(st.from_regex(r'[a-z]{1,3}_[0-9]{1,3}', fullmatch=True), unique=True, min_size=2, max_size=60)


def test_the_ranking_is_the_documented_one():
    def rank(name):
        return hashlib.sha256(f'36:{name}'.encode()).hexdigest()
    assert rank_groups(['a', 'b', 'c', 'd'], 36) == sorted('abcd', key=rank) == ['c', 'd', 'b', 'a']


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(0, 5), st.randoms())
def test_the_draw_depends_on_no_order(names, seed, random):
    ranked = rank_groups(names, seed)
    random.shuffle(names)
    assert rank_groups(names, seed) == ranked


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(0, 5), st.integers(1, 20))
def test_one_more_file_moves_at_most_one_name(names, seed, count):
    *fewer, _ = names
    groups = group_names(names)
    before, after = (set(take(rank_groups(some, seed), groups, count)) for some in (fewer, names))
    assert len(before - after) <= 1


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(1, 70))
def test_whole_groups_are_taken_until_the_count_is_reached(names, count):
    groups = group_names(names, r'(.+)_\d+')
    assert sorted(name for group in groups.values() for name in group) == sorted(names)
    taken = take(rank_groups(groups, 1), groups, count)
    sizes = [len(groups[group]) for group in taken]
    assert sum(sizes[:-1]) < count <= sum(sizes) or taken == rank_groups(groups, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 99), st.integers(1, 10_000))
def test_fractions_are_rounded_half_up_and_at_least_one(percent, total):
    assert count_of(Decimal(percent) / 100, total) == max(1, (2 * percent * total + 100) // 200)


def test_shares():
    assert read_share('64', '--val') == 64 and read_share('0.1', '--val') == Decimal('0.1')
    assert count_of(read_share('0.1', '--val'), 445) == 45  # 44.5
    for text in ('0', '1.5', '1.0', '-3', 'nan', 'many'):
        with pytest.raises(ValueError, match=f'--test {text}: expected a fraction such as 0.1'):
            read_share(text, '--test')
    assert read_percent('0.5') == Decimal('0.5') and read_percent('100') == 100
    for text in ('0', '101', 'nan', 'all'):
        with pytest.raises(ValueError, match=f'--percent {text}: expected a percentage'):
            read_percent(text)


def test_group_patterns_that_do_not_fit():
    with pytest.raises(DatasetError, match=r'does not match 1 names: whole'):
        group_names(['a_1', 'whole'], r'(.+)_\d+')
    for pattern, message in ((r'.+_\d+', 'one group in parentheses.*found 0'), ('(', 'not a regular expression')):
        with pytest.raises(ValueError, match=message):
            group_names(['a_1'], pattern)


def test_tiles_are_told_from_plain_numbers():
    assert look_like_tiles(['train_1_1', 'train_1_2', 'train_2_1']) == ['train_1']
    assert look_like_tiles([f'train_{n}' for n in range(9)]) == []  # whole images of LEVIR-CD
    assert look_like_tiles(['0_2', '1_1', '2_4', 'plain']) == []
