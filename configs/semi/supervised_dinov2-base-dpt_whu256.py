# The control: DINOv2-base with a DPT-like head on WHU-CD cut to 256 px (SemiCD's split), with 5 % of the pairs and
# nothing else; 16 labelled pairs in a batch, as many iterations as UniMatch V2 around it.
#   python tools/train.py configs/semi/supervised_dinov2-base-dpt_whu256.py
#   ... --cfg-options train_dataloader.dataset.percent=10      (or 20, 40)
# Needs data/WHU-CD-256 (the archive of SemiCD) and the extras [dino,hub]; weights from a file instead of the hub:
# model.backbone.init_cfg.checkpoint=model.safetensors; a frozen backbone: model.backbone.frozen=True.
_base_ = [
    '../_base_/datasets/whu256_semi_dataset.py',
    '../_base_/models/dinov2_dpt.py',
    '../_base_/schedules/dinov2.py',
    '../_base_/default_runtime.py',
]

# ImageNet's statistics, with which DINOv2 was trained
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53] * 2, std=[58.395, 57.12, 57.375] * 2, size_divisor=14)
# 252 px: 18 patches of 14
train_pipeline = _base_.train_pipeline
train_pipeline[2]['transforms'][0]['crop_size'] = (252, 252)
unlabelled_pipeline = _base_.unlabelled_pipeline
unlabelled_pipeline[3]['transforms'][1]['size'] = (252, 252)
unlabelled_pipeline[3]['transforms'][2]['crop_size'] = (252, 252)
train_dataloader = dict(
    sampler=dict(ratio=0),
    dataset=dict(labelled=dict(pipeline=train_pipeline), unlabelled=dict(pipeline=unlabelled_pipeline)))
# 60 passes over the unlabelled pairs, 8 in a batch
train_cfg = dict(max_iters=42_000, val_interval=1_400)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=42_000)]
default_hooks = dict(checkpoint=dict(interval=1_400))
# UniMatch's average: 0.996, less in the first iterations; running statistics included
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', memory=1.0, momentum=4e-3, interval=1, update_buffers=True),
]
