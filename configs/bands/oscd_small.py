# SChanger-small on OSCD, 13 bands of Sentinel-2 at 10 m, from scratch; the recipe is that for few pairs, custom.py's:
#   python tools/train.py configs/bands/oscd_small.py
#   python tools/test.py configs/bands/oscd_small.py work_dirs/oscd_small/best_changed_F1_iter_*.pth
# Needs data/OSCD: 11 / 3 / 10 pairs of about 240 to 1200 px; the three cities for validation are this project's choice.
# For a test as in the literature, train on all 14: --cfg-options train_dataloader.dataset.split=trainval
# For other bands change `bands`, in_channels, first_band of the data sets, the statistics, and visualizer.bands.
_base_ = '../schanger/custom.py'

data_root = 'data/OSCD'
bands = ['B01', 'B02', 'B03', 'B04', 'B05', 'B06', 'B07', 'B08', 'B8A', 'B09', 'B10', 'B11', 'B12']
files = [f'/{band}.tif' for band in bands]
scale = '0:10000'  # reflectance times 10,000, as it is stored, to 0..255

model = dict(backbone=dict(in_channels=13))

# Statistics of the stored values of the training cities, as TorchGeo has them; `schanger stats` prints others.
mean = [1583.0741, 1374.3202, 1294.1616, 1325.6158, 1478.7408, 1933.0822, 2166.0608, 2076.4868, 2306.0652, 690.9814,
        16.2360, 2080.3347, 1524.6930]
std = [52.1937, 83.4168, 105.6966, 151.1401, 147.4615, 115.9289, 123.1974, 114.6483, 141.4530, 73.2758, 4.8368,
       213.4821, 179.4793]
data_preprocessor = dict(
    mean=[255 / 10000 * value for value in mean] * 2,
    std=[255 / 10000 * value for value in std] * 2,
    bgr_to_rgb=False)

train_pipeline = _base_.train_pipeline
train_pipeline[0].update(files=files, scale=scale)
# Hue and saturation are of colours; bands of a sensor differ by gains.
train_pipeline[2]['transforms'][5]['transforms'][0]['transforms'][1] = [dict(type='BandGain')]
test_pipeline = _base_.test_pipeline
test_pipeline[0].update(files=files, scale=scale)
train_dataloader = dict(dataset=dict(
    _delete_=True, type='OSCDDataset', data_root=data_root, split='train', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    _delete_=True, type='OSCDDataset', data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(dataset=dict(
    _delete_=True, type='OSCDDataset', data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True))

visualizer = dict(bands=[4, 3, 2])  # shown as red, green and blue
