# SChanger-small on OSCD's 13 bands, from weights that were pre-trained on colour images:
#   python tools/train.py configs/bands/oscd_small_from_rgb.py
# Needs data/OSCD and the weights (configs/schanger/pretrain_inria_small.py, or `schanger fetch pretrain small`).
_base_ = './oscd_small.py'

load_from = 'work_dirs/pretrain_inria_small/iter_1124000.pth'
custom_hooks = [
    *_base_.custom_hooks,
    # B04, B03 and B02 start from the weights of red, green and blue, the others from their mean; 'zero': from 0
    dict(type='InflateBandsHook', rgb=(4, 3, 2), others='mean'),
]
