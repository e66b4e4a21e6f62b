# UniMatch V2's optimiser for DINOv2: AdamW, 5e-6 for the backbone and 40 times that for the rest, polynomial decay.
_base_ = './fpn-cd.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    paramwise_cfg=dict(_delete_=True, custom_keys=dict(backbone=dict(lr_mult=1 / 40))))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=40_000)]
