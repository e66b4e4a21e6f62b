# The same from ImageNet weights: torchvision's, or a file given by model.backbone.init_cfg.checkpoint=FILE.
#   python tools/train.py configs/sadl/fpn-cd_r18_gz_imagenet.py
_base_ = './fpn-cd_r18_gz.py'

model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')))
