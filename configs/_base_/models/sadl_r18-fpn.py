# SaDL's encoder: ResNet-18 and a top-down pyramid, P2 at stride 4.
model = dict(
    type='SaDL',
    backbone=dict(
        type='mmseg.ResNet',
        depth=18,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(type='TopDownFPN', in_channels=[64, 128, 256, 512]),
    projector=dict(type='PointMLP', in_channels=256, hidden_channels=2048, out_channels=1024),
    predictor=dict(type='PointMLP', in_channels=1024, hidden_channels=256, out_channels=1024),
    views=dict(type='TwoViews', size=(256, 256)))
