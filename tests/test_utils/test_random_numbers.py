import random

import numpy as np
import torch

from schanger_mm.utils.random_numbers import get_states, own_random_numbers, seed_generators, set_states


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_a_key_starts_all_generators_and_keys_do_not_share():
    drawn = {}
    for key in ((3, 0, 1), (3, 0, 2), (3, 1, 1), (4, 0, 1), (3, 1, 1, 1)):
        for _ in range(2):
            seed_generators(*key, gpus=True)
            drawn.setdefault(draw(), []).append(key)
    assert [len(keys) for keys in drawn.values()] == [2] * 5
    assert len({number for numbers in drawn for number in numbers}) == 15


def test_own_random_numbers_disturb_nobody_even_when_they_fail():
    seed_generators(1)
    expected = draw()
    seed_generators(1)
    try:
        with own_random_numbers(7):
            inside = draw()
            raise KeyError
    except KeyError:
        pass
    assert draw() == expected
    seed_generators(7)
    assert draw() == inside
    states = get_states()
    expected = draw()
    set_states(states)
    assert draw() == expected
