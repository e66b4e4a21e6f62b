import cv2
import numpy as np
import pytest
import torch

from schanger_mm.analysis import browse as module
from schanger_mm.analysis.browse import browse_dataset
from schanger_mm.apis import ConfigError, load_config
from schanger_mm.demo.scenes import DemoSizes, write_demo_set
from schanger_mm.visualization import draw_change_panel

SIZES = DemoSizes(pretrain_train=3, pretrain_val=1, train=5, val=2, test=1)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('demo') / 'data'
    write_demo_set(root, SIZES, image_size=64)
    return root


@pytest.fixture
def config(root, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(name, **options):
        return load_config(root / 'configs/schanger' / name, {
            f'{split}_dataloader.dataset.data_root': str(data) for split in ('train', 'val')} | options)
    return read


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def read(path):
    return cv2.imread(str(path))[..., ::-1]


def test_pictures_are_named_after_their_inputs_and_nothing_else_is_written(config, tmp_path):
    found = browse_dataset(config('demo.py'), tmp_path / 'out', sheet=True)
    assert names(tmp_path / 'out') == ['0000.png', '0001.png', '0002.png', '0003.png', '0004.png', 'browse.png']
    assert names(tmp_path / 'out') == [path.name for path in found.files]
    assert names(tmp_path) == ['out']
    assert f'wrote 6 pictures to {tmp_path / "out"}' in str(found)


def test_number_and_seed_choose(config, tmp_path):
    chosen = [names(browse_dataset(config('demo.py'), tmp_path / str(seed), number=2, seed=seed).folder)
              for seed in range(3)]
    assert all(len(found) == 2 for found in chosen) and len(set(map(tuple, chosen))) > 1


def test_same_seed_draws_the_same_pictures(config, tmp_path):
    for out in ('one', 'two'):
        browse_dataset(config('demo.py'), tmp_path / out, number=3, seed=5)
    for name in names(tmp_path / 'one'):
        np.testing.assert_array_equal(read(tmp_path / 'one' / name), read(tmp_path / 'two' / name))


def test_picture_shows_pair_and_label_then_the_outline_over_both(config, data, tmp_path):
    browse_dataset(config('demo.py'), tmp_path / 'out', split='val')
    images = [read(data / f'val/{date}/0001.png') for date in 'AB']
    label = read(data / 'val/label/0001.png')[..., 0] // 255
    picture = read(tmp_path / 'out/0001.png')
    plain = draw_change_panel(images, label, title='0001')
    height, width = plain.shape[:2]
    np.testing.assert_array_equal(picture[:height, :width], plain)
    marked = (picture[height:] == module.OUTLINE).all(-1)
    before, after, truth = (marked[:, i * width // 3:(i + 1) * width // 3].sum() for i in range(3))
    assert before == after > 100 and truth == 0


def test_outline_is_the_inner_edge_of_the_label():
    label = np.zeros((300, 300), np.uint8)
    label[50:101, 60:151] = 1
    label[200:, 200:] = 255  # ignored
    drawn = (module._outline(np.zeros((300, 300, 3), np.uint8), label) == module.OUTLINE).all(-1)
    assert drawn.sum() == 2 * 51 + 2 * 91 - 4
    assert drawn[50, 60:151].all() and drawn[50:101, 150].all() and not drawn[51:100, 61:150].any()


def test_small_pictures_get_a_thin_outline():
    label = np.zeros((64, 64), np.uint8)
    label[10:20, 10:20] = 1
    drawn = (module._outline(np.zeros((64, 64, 3), np.uint8), label) == module.OUTLINE).all(-1)
    assert drawn.shape == (256, 256) and drawn.sum() == 4 * 40 - 4


def test_normalised_row_is_what_the_network_receives(config, tmp_path):
    cfg = config('demo.py')
    plain = browse_dataset(cfg, tmp_path / 'plain', number=5)
    found = browse_dataset(cfg, tmp_path / 'out', number=5, normalised=True)
    assert plain.statistics == [] and [row['input'] for row in found.statistics] == ['first date', 'second date']
    for a, b in zip(plain.files, found.files, strict=True):
        before, after = read(a), read(b)
        assert after.shape[0] > before.shape[0]
        np.testing.assert_array_equal(after[:before.shape[0], :before.shape[1]], before)


@pytest.mark.parametrize(('swap', 'means'), [(0.0, (0.0, 1.0)), (1.0, (1.0, 0.0))])
def test_statistics_are_those_of_each_date_as_received(config, tmp_path, write_flat, swap, means):
    cfg = config('levir.py', **{'train_dataloader.dataset.data_root': str(write_flat(100, 200)),
                                'train_dataloader.dataset.split': 'train'})
    cfg.data_preprocessor.update(mean=[100.0] * 3 + [150.0] * 3, std=[50.0] * 6, swap_prob=swap)
    cfg.train_dataloader.dataset.pipeline[2].transforms = cfg.train_dataloader.dataset.pipeline[2].transforms[:-1]
    found = browse_dataset(cfg, tmp_path / 'out', normalised=True)
    assert [row['mean G'] for row in found.statistics] == pytest.approx(means)
    assert [row['std R'] for row in found.statistics] == pytest.approx([0, 0], abs=1e-6)
    assert '1.00' in str(found)


@pytest.fixture
def write_flat(tmp_path):
    def write(first, second):
        for i in range(2):
            for part, array in (('A', np.full((40, 40, 3), first)), ('B', np.full((40, 40, 3), second)),
                                ('label', np.zeros((40, 40)))):
                path = tmp_path / 'flat/train' / part / f'{i}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                assert cv2.imwrite(str(path), array.astype(np.uint8))
        return tmp_path / 'flat'
    return write


def test_swap_and_padding_are_reported(config, tmp_path, write_flat):
    cfg = config('levir.py', **{'train_dataloader.dataset.data_root': str(write_flat(100, 200)),
                                'train_dataloader.dataset.split': 'train'})
    cfg.data_preprocessor.swap_prob = 1.0
    dataset = module._build_split(cfg, 'train')
    samples = [dataset[0], dataset[1]]
    received = module._preprocess(module._build_preprocessor(cfg), samples, training=True)
    for one in received:
        assert one['swapped'] and one['shape'] == (40, 40)
        assert one['label'].shape == (48, 48) and (one['label'] == 255).sum() == 48**2 - 40**2
    assert samples[0]['data_samples'].gt_sem_seg.data.shape == (1, 40, 40)
    cfg.data_preprocessor.swap_prob = 0.0
    assert not any(one['swapped'] for one in module._preprocess(module._build_preprocessor(cfg), samples, True))


@pytest.mark.parametrize('split', ['train', 'val'])
def test_single_date(config, tmp_path, split):
    found = browse_dataset(config('pretrain_demo.py'), tmp_path / 'out', split=split, normalised=True, sheet=True)
    assert names(tmp_path / 'out')[-1] == 'browse.png' and [row['input'] for row in found.statistics] == ['first date']


def test_normalised_colours_are_red_first():
    grey = module._to_grey_levels(torch.tensor([3.0, 0.0, -4.0]).view(3, 1, 1))
    np.testing.assert_array_equal(grey, [[[255, 128, 0]]])


def test_earlier_pictures_are_replaced_on_demand_only(config, tmp_path):
    folder = tmp_path / 'out'
    folder.mkdir()
    (folder / '0003.png').write_text('mine')
    with pytest.raises(FileExistsError, match=r'0003\.png exists already.*--overwrite'):
        browse_dataset(config('demo.py'), folder)
    assert names(folder) == ['0003.png'] and (folder / '0003.png').read_text() == 'mine'
    browse_dataset(config('demo.py'), folder, overwrite=True)
    assert len(names(folder)) == 5 and (folder / '0003.png').stat().st_size > 1000


def test_names_never_meet(config, tmp_path):
    dataset = module._build_split(config('demo.py'), 'train')
    infos = [dict(img_path=['x/a.png', 'y/a.png']), dict(img_path=['x/b/a.png', 'y']), dict(img_path='a_2.png'),
             dict(img_path='browse.png'), dict(img_path='z.png', name='city/z')]
    dataset.get_data_info = infos.__getitem__
    assert module._names(dataset, range(5)) == ['a', 'a_2', 'a_2_2', 'browse_2', 'city_z']


@pytest.mark.parametrize(('options', 'message'), [
    (dict(number=0), '--number 0: expected 1 or more'),
    (dict(split='test'), '--split test: the config has no test_dataloader, only train, val'),
    (dict(normalised=True), '--normalised: the config has no data_preprocessor'),
])
def test_what_cannot_be_drawn_is_refused(config, tmp_path, options, message):
    cfg = config('demo.py')
    cfg.test_dataloader = cfg.data_preprocessor = None
    with pytest.raises((ConfigError, ValueError), match=message):
        browse_dataset(cfg, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_wrapped_data_sets_are_refused(config, tmp_path):
    cfg = config('demo.py')
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset)
    with pytest.raises(ConfigError, match='found RepeatDataset; name one of the data sets that it wraps'):
        browse_dataset(cfg, tmp_path / 'out')
