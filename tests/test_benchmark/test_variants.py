"""The forms compute the same."""

import pytest
import torch

from schanger_mm.benchmark.network import build, load
from schanger_mm.benchmark.variants import VARIANTS, make_step
from schanger_mm.engine.compilation import SAME_DRAWS

TINY = '4,4,6,8,10,12'


def step_of(task, name, model, batch=2):
    return make_step(task, VARIANTS[task][name], model, batch, 32, 0)


def test_plain_comes_first_with_the_default_allocator():
    for variants in VARIANTS.values():
        assert next(iter(variants)) == 'plain' and variants['plain'].malloc == 'default'


@pytest.mark.parametrize(('name', 'tolerance'), [('channels-last', 1e-5), ('fast', 1e-4), ('fast-bf16', 0.4)])
def test_inference_forms_predict_alike(name, tolerance):
    plain, other = (step_of('inference', form, load(TINY, None))() for form in ('plain', name))
    assert plain.shape == (2, 1, 32, 32)
    difference = (plain.sigmoid() - other.float().sigmoid()).abs().max()
    assert difference < tolerance
    assert (difference > 1e-4) == (name == 'fast-bf16')


@pytest.mark.parametrize(('name', 'tolerance'), [('channels-last', 1e-4), ('recompute', 1e-4), ('bf16', 0.05)])
def test_training_forms_have_one_loss_and_leave_no_gradients(root, name, tolerance):
    losses = []
    for form in ('plain', name):  # of a network without dropout, which draws in the order of memory
        model = load(str(root / 'configs/schanger/demo.py'), None)
        step = step_of('train', form, model)
        torch.manual_seed(0)
        losses.append(float(step()))
        assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert losses[0] > 1 and losses[1] == pytest.approx(losses[0], rel=tolerance)


def test_compiled_training_compiles_what_a_training_does(monkeypatch):
    compiled, model = [], load(TINY, None)
    loss = model.loss
    monkeypatch.setattr(torch, 'compile', lambda call, **options: compiled.append((call, options)) or call)
    step = step_of('train', 'compile', model)
    assert compiled[-1] == (loss, dict(options=SAME_DRAWS)) and float(step()) > 1


def test_plain_maps_are_contiguous_and_the_detectors_are_channels_last():
    for name, contiguous in (('plain', True), ('channels-last', False)):
        model, seen = load(TINY, None), []
        model.backbone.stages[1].register_forward_hook(lambda module, inputs, output: seen.append(output))  # noqa: B023
        step_of('inference', name, model, 1)()
        assert [x.is_contiguous() for x in seen] == [contiguous] * 2


def test_forms_that_a_network_lacks_are_refused(tmp_path):
    config = tmp_path / 'unet.py'
    config.write_text("""default_scope = 'mmseg'
model = dict(type='EncoderDecoder', backbone=dict(type='UNet', base_channels=4), decode_head=dict(
    type='FCNHead', in_channels=4, in_index=-1, channels=4, num_classes=2, norm_cfg=dict(type='BN')),
    test_cfg=dict(mode='whole'))
""")
    segmentor = build(str(config))
    with pytest.raises(ValueError, match='EncoderDecoder has no for_inference'):
        step_of('inference', 'fast', segmentor, 1)
    for module in segmentor.modules():
        module.__dict__.pop('with_cp', None)
    with pytest.raises(ValueError, match='no part of EncoderDecoder has with_cp'):
        step_of('train', 'recompute', segmentor, 1)


@pytest.mark.long
def test_exported_network_predicts_alike():
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    plain, exported = (step_of('inference', name, load(TINY, None), 1)() for name in ('plain', 'onnx'))
    assert (plain.sigmoid()[:, 0] - exported).abs().max() < 1e-4
