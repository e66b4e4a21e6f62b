# Part of `make study`: SaDL pre-training of a narrow ResNet-18-FPN on drawn single images.
#   python tools/train.py configs/sadl/study/sadl_r18.py
_base_ = './sadl_scn-tiny.py'

model = dict(
    backbone=dict(_delete_=True, type='mmseg.ResNet', depth=18, stem_channels=16, base_channels=16),
    neck=dict(_delete_=True, type='TopDownFPN', in_channels=[16, 32, 64, 128], out_channels=64),
    projector=dict(in_channels=64))
train_dataloader = dict(batch_size=16)
train_cfg = dict(max_iters=600)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=0, end=600, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=600))
