"""Names of arms, and which pairs are labelled."""

from pathlib import Path

import pytest

from schanger_mm.data_tools.split import SplitRequest, draw_lists
from schanger_mm.experiments.arms import ARMS, Arm, draw_labelled, parse_arms

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('name, config, chain, semi', [
    ('scratch', 'finetune_schanger', (), False),
    ('supervised', 'finetune_schanger', ('supervised_schanger', ), False),
    ('sadl-supervised', 'finetune_schanger', ('sadl_schanger', 'supervised_schanger'), False),
    ('sadl-semi', 'semi_schanger', ('sadl_schanger', ), True), ('scratch-semi', 'semi_schanger', (), True),
    ('scratch-half', 'finetune_schanger_half', (), False),
    ('sadl-supervised-half', 'finetune_schanger_half', ('sadl_schanger_half', 'supervised_schanger_half'), False),
    ('supervised-half-semi', 'semi_schanger_half', ('supervised_schanger_half', ), True),
    ('upernet', 'upernet', (), False), ('fc-siam', 'fc-siam', (), False)])
def test_what_an_arm_is(name, config, chain, semi):
    arm = Arm(name, 3)
    assert (arm.config, arm.chain, arm.semi) == (config, chain, semi)


def test_four_starts_with_and_without_unlabelled_pairs_at_two_resolutions_and_three_other_networks():
    assert len(ARMS) == len(set(ARMS)) == 2 * (4 + 4) + 3
    assert {Arm(name).config for name in ARMS} == {
        'finetune_schanger', 'semi_schanger', 'finetune_schanger_half', 'semi_schanger_half', 'upernet', 'segformer',
        'fc-siam'}


def test_the_command_offers_these_arms_and_every_config_is_there():
    from schanger_mm.commands import compare
    assert compare.ARMS == ARMS
    assert all((ROOT / f'configs/few_labels/{name}.py').is_file()
               for arm in map(Arm, ARMS) for name in (*arm.chain, arm.config))


def test_numbers_of_labelled_pairs_stand_behind_a_name_or_hold_for_all_that_have_none():
    assert parse_arms(['scratch', 'sadl-semi:6', 'upernet:all'], ['3', 'all']) == (
        Arm('scratch', 3), Arm('scratch', None), Arm('sadl-semi', 6), Arm('upernet', None))
    assert str(Arm('scratch')) == 'scratch:all' and str(Arm('sadl-semi', 6)) == 'sadl-semi:6'


@pytest.mark.parametrize('words, labelled, message', [
    (['unet'], ['all'], r'--arms unet: expected NAME or NAME:LABELLED, NAME one of scratch, .*, fc-siam\.'),
    (['scratch:0'], ['all'], 'scratch:0: expected a number of labelled pairs from 1 up, or all'),
    (['scratch:'], ['all'], 'scratch:: expected a number'), (['scratch'], ['x'], '--labelled x: expected a number'),
    (['scratch', 'scratch:all'], ['all'], '--arms scratch:all scratch:all: expected different arms'),
    ([], ['all'], 'and at least one')])
def test_arms_that_make_no_sense(words, labelled, message):
    with pytest.raises(ValueError, match=message):
        parse_arms(words, labelled)


def test_fewer_labelled_pairs_are_a_part_of_more_and_those_of_split_py():
    names = [f'{number}' for number in range(1, 31)]
    three, six, every = (draw_labelled(names, count, seed=36) for count in (3, 6, 30))
    assert set(three[0]) < set(six[0]) < set(every[0]) and (len(three[0]), len(six[0])) == (3, 6)
    assert sorted(six[0] + six[1]) == sorted(names) and every == (names, [])
    assert six[0] == draw_lists(names, SplitRequest(seed=36, percents=['20']))['train_20']
    assert draw_labelled(names, 6, seed=37)[0] != six[0]
