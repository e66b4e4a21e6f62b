"""One training step of two processes with unequal halves of a batch, against one process with all of it.

    python joint_batch.py OUT [sync]

Prints one JSON object: the largest relative difference per part, over all parameters.
"""

import json
import sys

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

import schanger_mm  # noqa: F401
from schanger_mm.models import CPUDataParallel
from schanger_mm.models.layers import SyncNorm, on_the_cpu
from schanger_mm.models.selfsup.sadl import PointMLP
from schanger_mm.registry import MODELS

TINY, SHARE, SIZE = (8, 8, 12, 16, 20, 24), 3, 32  # the first process takes 3 of 4 pairs
SYNCED = 'sync' in sys.argv[2:]
CP = 'cp' in sys.argv[2:]


def network():
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='schanger_mm.SiameseEncoderDecoder', num_dates=2,
        backbone=dict(type='schanger_mm.SCN', arch=TINY, drop_rate=0.0, with_cp=CP),
        decode_head=dict(type='schanger_mm.SpatialConsistencyHead', arch=TINY, drop_rate=0.0, with_cp=CP,
                         loss_decode=dict(type='schanger_mm.BCEDiceLoss', all_reduce=SYNCED),
                         temporal_fusion=dict(type='schanger_mm.TFM')), train_cfg=dict(), test_cfg=dict(mode='whole')))
    return model.double().train()


class Step(nn.Module):
    """From a batch to its loss, as the detector's `loss` without its data samples."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs, target):
        head = self.model.decode_head
        maps = head.forward_maps(self.model.extract_feat(inputs))
        return head.loss_decode(torch.cat(maps, dim=1), target, ignore_index=255)


def batch():
    """Four pairs of uneven contrast, and many ignored pixels in the second process's only one."""
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(SHARE + 1, 6, SIZE, SIZE, generator=draw, dtype=torch.float64)
    inputs *= torch.tensor([1.0, 0.5, 2.0, 3.0], dtype=torch.float64).view(-1, 1, 1, 1)
    target = (torch.rand(SHARE + 1, SIZE, SIZE, generator=draw) > 0.7).long()
    target[SHARE, 10:] = 255
    return inputs, target


def results(model, loss):
    loss.backward()
    parts = {'loss': {'': loss.detach()}, 'gradient': {}, 'statistics': {}}
    for name, parameter in model.named_parameters():
        parts['gradient'][name.removeprefix('module.')] = parameter.grad
    for name, buffer in model.named_buffers():
        parts['statistics'][name.removeprefix('module.')] = buffer.double()
    return parts


def work(rank, out):
    torch.set_num_threads(1)
    distributed.init_process_group('gloo', init_method=f'file://{out}/meet', rank=rank, world_size=2)
    step = Step(network())
    if SYNCED:
        step = nn.SyncBatchNorm.convert_sync_batchnorm(step)
    parallel = CPUDataParallel(step, device_ids=None)
    assert isinstance(parallel, DistributedDataParallel)
    mine = slice(0, SHARE) if rank == 0 else slice(SHARE, None)
    inputs, target = batch()
    loss = parallel(inputs[mine], target[mine])
    torch.save((results(parallel, loss), points(rank)), f'{out}/{rank}.pt')
    distributed.destroy_process_group()


def points(rank=None):
    """A projector of SaDL, whose second process has no point at all."""
    torch.manual_seed(0)
    projector = PointMLP(4, 6, 3).double().train()
    features = torch.randn(5, 4, dtype=torch.float64)
    if rank is not None:
        projector = on_the_cpu(nn.SyncBatchNorm.convert_sync_batchnorm(projector))
        assert any(isinstance(part, SyncNorm) for part in projector)
        features = features if rank == 0 else features[:0]
    projected = projector(features)
    (projected ** 2).sum().backward()
    return [parameter.grad for parameter in projector.parameters()]


def distance(ours, theirs, floor=1e-12):
    """Largest difference, relative to the largest value of the tensor (or to a floor where that is rounding)."""
    return max(float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max().clamp(min=floor))
               for name in theirs)


def main(out):
    torch.set_num_threads(1)
    multiprocessing.start_processes(work, (out, ), nprocs=2, start_method='fork')
    first, second = (torch.load(f'{out}/{rank}.pt') for rank in range(2))
    step = Step(network())
    alone = results(step, step(*batch()))
    largest = max(float(value.abs().max()) for value in alone['gradient'].values())
    found = {part: distance(first[0][part], alone[part], 1e-9 * largest) for part in alone}
    found['processes'] = max(distance(first[0][part], second[0][part]) for part in ('loss', 'gradient'))
    found['points'] = max(float((a + b - c).abs().max()) for a, b, c in zip(first[1], second[1], points()))
    print(json.dumps(dict(found, parameters=len(alone['gradient']))))


if __name__ == '__main__':
    main(sys.argv[1])
