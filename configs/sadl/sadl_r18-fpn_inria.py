# SaDL pre-training of ResNet-18 + FPN on Inria, the paper's settings: batch 64, 200 epochs, lr 0.01.
#   python tools/train.py configs/sadl/sadl_r18-fpn_inria.py
#   python tools/model_converters/sadl2det.py work_dirs/sadl_r18-fpn_inria/epoch_200.pth \
#       configs/sadl/fpn-cd_r18_levir.py
# Needs data/inria_256/train/{images,gt}, the lists data/inria_256/splits/{train,val}.txt, and ImageNet weights:
#   python tools/dataset_tools/tile.py AerialImageDataset/train data/inria_256/train --size 256 --drop-edge
#   python tools/dataset_tools/foreground.py data/inria_256/train/gt --least 0.1 --out data/inria_256/pos0.1.txt
#   python tools/dataset_tools/split.py data/inria_256/train/images --from-list data/inria_256/pos0.1.txt \
#       --val 0.03 --group-by '(.+)_\d+' --out data/inria_256/splits
# ImageNet weights come from torchvision (pip install torchvision) or from a file with the same weights,
# --cfg-options model.backbone.init_cfg.checkpoint=FILE; random weights: model.backbone.init_cfg=None
_base_ = [
    '../_base_/models/sadl_r18-fpn.py',
    '../_base_/datasets/inria_256_dataset.py',
    '../_base_/schedules/sadl.py',
    '../_base_/default_runtime.py',
]

custom_hooks = [
    dict(
        type='FeatureMonitorHook',
        interval=500,
        dataset=dict(
            type='InriaDataset',
            data_root=_base_.data_root,
            data_prefix=dict(img_path='train/images', seg_map_path='train/gt'),
            ann_file='splits/val.txt',
            pipeline=_base_.train_pipeline)),
]
