# SChanger-small on your own pairs: three folders of images with the same names.
#   python tools/train.py configs/schanger/custom.py --max-iters 2000 \
#       --cfg-options train_dataloader.dataset.data_root=DIR val_dataloader.dataset.data_root=DIR \
#       test_dataloader.dataset.data_root=DIR
# Expects DIR/{train,val,test}/{A,B,label}; other names: before=, after=, label= below.
# With pre-trained weights: --cfg-options load_from=FILE
_base_ = './levir_small.py'

load_from = None
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='train/A', after='train/B',
        label='train/label', pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='val/A', after='val/B',
        label='val/label', pipeline=_base_.test_pipeline, test_mode=True))
test_dataloader = dict(
    dataset=dict(
        _delete_=True, type='FolderCDDataset', data_root='data/custom', before='test/A', after='test/B',
        label='test/label', pipeline=_base_.test_pipeline, test_mode=True))
