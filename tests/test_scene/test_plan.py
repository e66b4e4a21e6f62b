import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schanger_mm.geo.errors import SceneError
from schanger_mm.geo.grid import Grid
from schanger_mm.scene.plan import Plan, megapixels


def grid(width, height):
    return Grid(width, height, (0.5, 0.0, 0.0, 0.0, -0.5, 0.0), None)


plans = st.builds(
    lambda width, height, window, more, cut: Plan(grid(width, height), window + more, window, max(1, window // cut)),
    st.integers(1, 300), st.integers(1, 300), st.sampled_from([16, 32, 64]), st.integers(0, 100), st.integers(1, 5))


@settings(max_examples=80, deadline=None)
@given(plans)
def test_blocks_are_disjoint_and_cover_the_scene(plan):
    count = np.zeros((plan.grid.height, plan.grid.width), int)
    for block in plan.blocks():
        count[block.row:block.row + block.height, block.col:block.col + block.width] += 1
    assert (count == 1).all()
    assert [block.index for block in plan.blocks()] == list(range(len(plan.blocks())))
    assert megapixels(plan.blocks()) == pytest.approx(plan.grid.width * plan.grid.height / 1e6)


@settings(max_examples=80, deadline=None)
@given(plans)
def test_windows_of_a_block_are_those_of_the_whole_scene_that_touch_it(plan):
    whole = Plan(plan.grid, 400, plan.window, plan.stride)
    (scene,) = whole.blocks()
    lattice = whole.windows(scene)
    covered = np.zeros((plan.grid.height, plan.grid.width), bool)
    for block in plan.blocks():
        windows = plan.windows(block)
        touching = [(col, row) for col, row in lattice
                    if col < block.col + block.width and block.col < col + plan.window_width
                    and row < block.row + block.height and block.row < row + plan.window_height]
        assert windows == touching
        left, top, width, height = plan.region(block)
        assert 0 <= left <= block.col and left + width >= block.col + block.width
        assert 0 <= top <= block.row and top + height >= block.row + block.height
        for col, row in windows:
            assert left <= col and col + plan.window_width <= left + width <= plan.grid.width
            assert top <= row and row + plan.window_height <= top + height <= plan.grid.height
            covered[row:row + plan.window_height, col:col + plan.window_width] = True
    assert covered.all()


def test_a_scene_narrower_than_the_window_is_one_window_of_its_width():
    plan = Plan(grid(100, 300), 256, 256, 128)
    assert (plan.window_width, plan.window_height) == (100, 256)
    assert plan.windows(plan.blocks()[0]) == [(0, 0), (0, 44)]
    assert sum(len(plan.windows(block)) for block in plan.blocks()) == 3  # the second touches both blocks


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(window=250), '--window 250: expected a multiple of 16 px, 16 or more; 256 is the nearest'),
    (dict(window=0), '--window 0'),
    (dict(stride=0), '--overlap 256: expected 0 to 255 px for a window of 256 px'),
    (dict(stride=300), '--overlap -44'),
    (dict(block=128), '--block 128: expected at least the window, 256 px'),
])
def test_values_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SceneError, match=message):
        Plan(grid(500, 500), **settings)


def test_a_size_that_nobody_can_list_is_refused():
    with pytest.raises(SceneError, match='2,147,483,647 x 2,147,483,647 px, 1,099,511,627,776 blocks of 2048 px'):
        Plan(grid(2 ** 31 - 1, 2 ** 31 - 1))
    Plan(grid(2_048_000, 2_048_000))
