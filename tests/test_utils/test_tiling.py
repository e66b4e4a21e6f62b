import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.utils.tiling import EDGES, Tiling, tile_name


@st.composite
def tilings(draw):
    size = draw(st.integers(1, 40))
    return Tiling(size, draw(st.integers(1, size)), draw(st.sampled_from(EDGES)))


@pytest.mark.parametrize('side, size, tiles', [(5000, 1000, 25), (1024, 256, 16), (1000, 256, 16), (256, 256, 1)])
def test_number_of_tiles_of_the_published_sets(side, size, tiles):
    assert len(Tiling(size, size).corners(side, side)) == tiles


def test_tiles_are_counted_row_by_row_from_the_top_left():
    assert Tiling(4, 4).corners(8, 12) == [(0, 0), (0, 4), (0, 8), (4, 0), (4, 4), (4, 8)]
    assert tile_name('train_1', 1) == 'train_1_1' and tile_name('train_1', 16) == 'train_1_16'


@pytest.mark.parametrize('edges, starts', [('shift', [0, 4, 6]), ('pad', [0, 4, 8]), ('drop', [0, 4])])
def test_what_happens_at_the_edge(edges, starts):
    assert Tiling(4, 4, edges).starts(10) == starts


@settings(max_examples=200, deadline=None)
@given(tilings(), st.integers(1, 200))
def test_tiles_cover_a_side_and_stay_in_it(tiling, length):
    starts = tiling.starts(length)
    covered = {pixel for start in starts for pixel in range(start, start + tiling.size)}
    assert starts == sorted(set(starts))
    if tiling.edges == 'pad':
        assert covered >= set(range(length)) and starts[-1] < length
    elif length >= tiling.size:
        assert max(covered) < length
        missed = length - len(covered)
        assert missed == 0 if tiling.edges == 'shift' else missed < tiling.stride
    else:
        assert starts == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text('ab_1', min_size=1, max_size=5), st.integers(1, 120)), unique=True, max_size=30))
def test_no_two_tiles_have_one_name(tiles):
    assert len({tile_name(*tile) for tile in tiles}) == len(tiles)


@pytest.mark.parametrize('settings_, message', [
    (dict(size=0), '--size: expected 1 or more pixels, found 0'),
    (dict(size=8, stride=9), '--stride: expected 1 to 8'),
    (dict(edges='mirror'), "expected one of shift, pad, drop, found 'mirror'"),
])
def test_settings_that_make_no_sense_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        Tiling(**settings_)
