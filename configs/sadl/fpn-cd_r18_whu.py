# Siamese ResNet-18-FPN on WHU-CD, from random weights.
#   python tools/train.py configs/sadl/fpn-cd_r18_whu.py
# Few labels: --cfg-options train_dataloader.dataset.ann_file=splits/train_5.txt (or 20); the list is written by
#   python tools/dataset_tools/split.py DIR/train/A --percent 5 20 --out DIR/splits
# 40000 iterations of 16 crops; the paper fixes no schedule for this network.
_base_ = [
    '../_base_/models/fpn-cd_resnet18.py',
    '../_base_/datasets/whu_dataset.py',
    '../_base_/schedules/fpn-cd.py',
    '../_base_/default_runtime.py',
]

# Pre-training normalised values in [0, 1] with mean and std 0.5, for any date.
data_preprocessor = dict(mean=[127.5] * 6, std=[127.5] * 6)
train_dataloader = dict(batch_size=16)
