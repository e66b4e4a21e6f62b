import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.data_tools.spatial_split import GUARD, TRAIN, UNUSED, VAL, split_tiles


def touching(one, other):
    """Whether a tile of one side shares an edge or a corner with one of the other."""
    padded = np.pad(one, 1)
    rows, columns = other.shape
    return any((padded[dy:dy + rows, dx:dx + columns] & other).any() for dy in range(3) for dx in range(3))


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(8, 30), columns=st.integers(8, 30), per_block=st.integers(2, 5), share=st.floats(0.05, 0.5),
       seed=st.integers(0, 99), holes=st.integers(0, 60))
def test_no_training_tile_touches_a_validation_tile(rows, columns, per_block, share, seed, holes):
    rng = np.random.default_rng(seed)
    usable = np.ones((rows, columns), bool)
    usable[rng.integers(0, rows, holes), rng.integers(0, columns, holes)] = False
    try:
        kinds = split_tiles(usable, per_block, share, seed)
    except ValueError as error:
        assert 'none is left to train' in str(error)
        return
    assert not touching(kinds == VAL, kinds == TRAIN)
    assert ((kinds == UNUSED) == ~usable).all() and (kinds == TRAIN).any() and (kinds == VAL).any()
    val = kinds == VAL
    for block in (np.s_[top:top + per_block, left:left + per_block]
                  for top in range(0, rows, per_block) for left in range(0, columns, per_block)):
        assert val[block][usable[block]].all() or not val[block].any(), 'blocks go whole'
    assert touching(kinds == GUARD, val) or not (kinds == GUARD).any()


def test_the_share_is_met_by_the_nearest_number_of_blocks():
    kinds = split_tiles(np.ones((40, 40), bool), 4, 0.2, 0)
    assert (kinds == VAL).sum() == 320


def test_a_seed_repeats_and_another_draws_other_blocks():
    usable = np.ones((20, 20), bool)
    one, again, other = (split_tiles(usable, 4, 0.2, seed) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


def test_no_validation_on_demand():
    usable = np.eye(3, dtype=bool)
    assert (split_tiles(usable, 4, 0, 0) == np.where(usable, TRAIN, UNUSED)).all()


@pytest.mark.parametrize(('shape', 'per_block', 'share', 'message'), [
    ((4, 4), 4, 0.2, 'lie in 1 block of 4x4 tiles, a split needs two or more'),
    ((1, 2), 1, 0.5, 'none is left to train'),
    ((9, 9), 0, 0.2, '--block: expected at least one tile, found 0'),
    ((9, 9), 3, 1.0, '--val: expected 0 to below 1, found 1.0'),
])
def test_splits_that_cannot_be(shape, per_block, share, message):
    with pytest.raises(ValueError, match=message):
        split_tiles(np.ones(shape, bool), per_block, share, 0)
