"""The forms: which there are, and that they compute the same."""

import pytest
import torch

from schanger_mm.benchmark.subject import Subject
from schanger_mm.benchmark.variants import VARIANTS, choose, inference_step, training_step

TINY = Subject.of_arch('4,4,6,8,10,12')


def test_all_variants_of_the_device_by_default_plain_first():
    for device in ('cpu', 'cuda'):
        for task, variants in choose(['inference', 'train'], None, device).items():
            assert variants[0].name == 'plain' and variants[0].malloc == 'default'
            assert [variant.name for variant in variants] == [
                name for name, variant in VARIANTS[task].items() if variant.device in (None, device)]


def test_chosen_ones_keep_the_order_of_the_table():
    chosen = choose(['inference', 'train'], ['recompute', 'fast', 'plain'], 'cpu')
    assert {task: [variant.name for variant in variants] for task, variants in chosen.items()} == dict(
        inference=['plain', 'fast'], train=['plain', 'recompute'])


def test_all_unknown_names_are_listed():
    with pytest.raises(ValueError, match='--variants quick recompute: unknown here; expected of inference: plain, pla'):
        choose(['inference'], ['plain', 'quick', 'recompute'], 'cpu')
    with pytest.raises(ValueError, match='--variants fast-fp16: not on --device cpu'):
        choose(['inference'], ['fast-fp16'], 'cpu')


@pytest.mark.parametrize(('name', 'tolerance'), [('channels-last', 1e-5), ('fast', 1e-5), ('fast-bf16', 0.2)])
def test_inference_forms_predict_alike(name, tolerance):
    variants = VARIANTS['inference']
    plain, other = (inference_step(variants[name], TINY.build_with_weights(0), 2, 32, 0)()
                    for name in ('plain', name))
    assert plain.shape == (2, 1, 32, 32)
    difference = (plain.sigmoid() - other.float().sigmoid()).abs().max()
    assert difference < tolerance
    assert (difference > 1e-4) == (name == 'fast-bf16')


@pytest.mark.parametrize(('name', 'tolerance'), [('channels-last', 1e-4), ('recompute', 1e-4), ('bf16', 0.05)])
def test_training_forms_have_one_loss_and_leave_no_gradients(root, name, tolerance):
    losses = []
    for form in ('plain', name):  # of a network without dropout, which draws in the order of memory
        model = Subject.of_config(str(root / 'configs/schanger/demo.py')).build_with_weights(0)
        step = training_step(VARIANTS['train'][form], model, 2, 32, 0)
        torch.manual_seed(0)
        losses.append(float(step()))
        assert all(parameter.grad is None for parameter in model.parameters())
        assert model.training
    assert losses[0] > 1 and losses[1] == pytest.approx(losses[0], rel=tolerance)


def test_plain_maps_are_contiguous_and_the_detectors_are_channels_last():
    for name, contiguous in (('plain', True), ('channels-last', False)):
        model = TINY.build_with_weights(0)
        seen = []
        model.backbone.stages[1].register_forward_hook(lambda module, inputs, output: seen.append(output))  # noqa: B023
        inference_step(VARIANTS['inference'][name], model, 1, 32, 0)()
        assert [x.is_contiguous() for x in seen] == [contiguous] * 2


def test_forms_that_a_network_lacks_are_refused():
    segmentor = Subject('fcn', scope='mmseg', model=dict(
        type='EncoderDecoder', backbone=dict(type='UNet', base_channels=4),
        decode_head=dict(type='FCNHead', in_channels=4, in_index=-1, channels=4, num_classes=2,
                         norm_cfg=dict(type='BN')), test_cfg=dict(mode='whole'))).build()
    with pytest.raises(ValueError, match='EncoderDecoder has no for_inference'):
        inference_step(VARIANTS['inference']['fast'], segmentor, 1, 32, 0)
    for module in segmentor.modules():
        module.__dict__.pop('with_cp', None)
    with pytest.raises(ValueError, match='no part of EncoderDecoder has with_cp'):
        training_step(VARIANTS['train']['recompute'], segmentor, 1, 32, 0)


@pytest.mark.long
def test_exported_network_predicts_alike():
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    variants = VARIANTS['inference']
    plain, exported = (inference_step(variants[name], TINY.build_with_weights(0), 1, 32, 0)()
                       for name in ('plain', 'onnx'))
    assert (plain.sigmoid()[:, 0] - exported).abs().max() < 1e-4
