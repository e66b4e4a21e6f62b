# SChanger-base on LEVIR-CD+, the paper's settings:
#   python tools/train.py configs/schanger/levir_plus.py
#   python tools/test.py configs/schanger/levir_plus.py work_dirs/levir_plus/best_changed_F1_iter_*.pth
# Needs data/LEVIR-CD+ with splits/{train,val}.txt (python tools/dataset_tools/split.py data/LEVIR-CD+/train/A --val 64
# --out data/LEVIR-CD+/splits) and pre-trained weights (configs/schanger/pretrain_inria.py, or published ones by
# tools/model_converters/fetch_published.py); from scratch: --cfg-options load_from=None
# 9000 epochs of 79 iterations, 450 of them warm-up; validation every 50. 79 is 637 // 8: the authors train on all
# 637 pairs. Here 573 train and 64 validate, for as many iterations; for all of them: train_dataloader.dataset.ann_file=
_base_ = [
    '../_base_/models/schanger_base.py',
    '../_base_/datasets/levir_plus_dataset.py',
    '../_base_/schedules/finetune.py',
    '../_base_/default_runtime.py',
]

model = dict(num_dates=2, decode_head=dict(temporal_fusion=dict(type='TFM')))
load_from = 'work_dirs/pretrain_inria/iter_1124000.pth'

train_cfg = dict(type='IterBasedTrainLoop', max_iters=711_000, val_interval=3_950)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=35_550),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-6, by_epoch=False, begin=35_550, end=711_000),
]
default_hooks = dict(checkpoint=dict(interval=3_950))
