import cv2
import numpy as np
import pytest
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from schanger_mm.datasets.reading import read_image
from schanger_mm.engine.hooks import ChangeVisualizationHook, visualization_hook
from schanger_mm.registry import HOOKS


def files(folder):
    return sorted(f.name for f in folder.rglob('*.png'))


def test_validation_writes_panels_with_the_iteration(toy_runner, tmp_path):
    hook = HOOKS.build(dict(type='ChangeVisualizationHook', draw=True, interval=2))
    toy_runner(hooks=[hook], iters=4, val_interval=2, batch_size=2).train()
    pictures = next((tmp_path / 'run').glob('*/vis_data/vis_image'))
    assert files(pictures) == ['val_one_2.png', 'val_one_4.png', 'val_three_2.png', 'val_three_4.png']


def test_test_writes_to_a_folder_under_date_as_name(toy_runner, tmp_path):
    hook = ChangeVisualizationHook(draw=True, interval=1, max_images=2, test_out_dir=str(tmp_path / 'show'))
    toy_runner(hooks=[hook], train=False, batch_size=3).test()
    assert files(tmp_path / 'show') == ['one.png', 'two.png']


def test_a_folder_of_the_data_set_keeps_its_images(toy_runner, tmp_path):
    for place in 'A', 'A/pictures':
        hook = ChangeVisualizationHook(draw=True, interval=1, test_out_dir=str(tmp_path / place))
        runner = toy_runner(hooks=[hook], train=False, name=f'run{len(place)}')
        before = {file.name: file.read_bytes() for file in (tmp_path / 'A').iterdir()}
        with pytest.raises(ValueError, match=f'--show-dir .*{place}: .*A is a folder of the data set, whose files'):
            runner.test()
        assert {file.name: file.read_bytes() for file in (tmp_path / 'A').iterdir()} == before and len(before) == 3


def test_pictures_of_an_earlier_test_are_replaced_and_other_files_are_not(toy_runner, tmp_path):
    show = tmp_path / 'show'
    for name in 'first', 'second':
        hook = ChangeVisualizationHook(draw=True, interval=1, test_out_dir=str(show))
        toy_runner(hooks=[hook], train=False, name=name).test()
    cv2.imwrite(str(show / 'two.png'), np.full((4, 4, 3), 7, np.uint8))
    own = (show / 'two.png').read_bytes()
    with pytest.raises(ValueError, match=r'two.png exists and is not a picture of an earlier test; it was'):
        toy_runner(hooks=[hook], train=False, name='third').test()
    assert (show / 'two.png').read_bytes() == own
    (show / 'two.png').write_text('my notes')
    with pytest.raises(ValueError, match='two.png exists'):
        toy_runner(hooks=[hook], train=False, name='fourth').test()


def test_the_picture_is_the_file_in_its_own_colours(toy_runner, tmp_path):
    hook = ChangeVisualizationHook(draw=True, interval=1, max_images=1, test_out_dir=str(tmp_path / 'show'))
    toy_runner(hooks=[hook], train=False).test()
    panel, original = (cv2.imread(str(tmp_path / folder / 'one.png')) for folder in ('show', 'A'))
    factor = 11  # 24 px are enlarged to 264
    enlarged = original.repeat(factor, 0).repeat(factor, 1)
    rows = range(panel.shape[0] - enlarged.shape[0] + 1)
    assert any((panel[y:y + 264, 9:9 + 264] == enlarged).all() for y in rows)


def test_pictures_of_another_size_than_the_maps_are_drawn_too(toy_runner, tmp_path):
    hook = ChangeVisualizationHook(draw=True, interval=1, test_out_dir=str(tmp_path / 'show'))
    toy_runner(hooks=[hook], train=False, picture_size=50).test()
    assert len(files(tmp_path / 'show')) == 3


def test_without_draw_nothing_is_written(toy_runner, tmp_path):
    toy_runner(hooks=[ChangeVisualizationHook()], train=False, visualizer=dict(type='Visualizer')).test()
    assert files(tmp_path / 'run') == []


def test_another_visualizer_is_refused_instead_of_drawing_nothing(toy_runner):
    runner = toy_runner(hooks=[ChangeVisualizationHook(draw=True)], train=False,
                        visualizer=dict(type='Visualizer'))
    with pytest.raises(ValueError, match=r"has a Visualizer; set visualizer=dict\(type='schanger_mm"):
        runner.test()


def test_a_visualizer_that_stores_nothing_is_refused(toy_runner):
    runner = toy_runner(hooks=[ChangeVisualizationHook(draw=True)], train=False,
                        visualizer=dict(type='schanger_mm.ChangeVisualizer'))
    with pytest.raises(ValueError, match='no vis_backends'):
        runner.test()


def test_interval_is_checked():
    with pytest.raises(ValueError, match='interval=0'):
        ChangeVisualizationHook(interval=0)


class FakeRunner:
    """Stands for a runner in a test and keeps what would be drawn."""

    _train_loop = dict(type='IterBasedTrainLoop')  # not built

    @property
    def iter(self):
        raise AssertionError("mmengine's runner would build the training set to answer this")

    def __init__(self):
        self.visualizer, self.calls = self, []

    def add_datasample(self, name, image, sample, **kwargs):
        self.calls.append((name, image, kwargs))


def sample(path, **meta):
    out = SegDataSample(metainfo=dict(meta, img_path=path))
    out.pred_sem_seg = PixelData(data=np.zeros((1, 4, 4)))
    return out


def test_single_images_and_tiles_of_one_file(tmp_path):
    path = str(tmp_path / 'x.png')
    cv2.imwrite(path, np.full((4, 4, 3), (1, 2, 3), np.uint8))
    hook, runner = ChangeVisualizationHook(draw=True, interval=1), FakeRunner()
    hook.after_test_iter(runner, 0, outputs=[sample(path), sample(path)])
    assert [name for name, *_ in runner.calls] == ['test_x', 'test_x_2']
    _, images, kwargs = runner.calls[0]
    assert len(images) == 1 and images[0][0, 0].tolist() == [3, 2, 1]
    assert kwargs['step'] == 0 and kwargs['out_file'] is None and kwargs['title'] == 'x'


def test_names_keep_their_sub_folders_where_there_can_be_some(tmp_path):
    samples = [sample([], name=f'{city}/tile_1') for city in ('paris', 'rome')]
    hook, runner = ChangeVisualizationHook(draw=True, interval=1, test_out_dir=str(tmp_path)), FakeRunner()
    hook.after_test_iter(runner, 0, outputs=samples)
    assert [kwargs['out_file'] for *_, kwargs in runner.calls] == [
        f'{tmp_path}/paris/tile_1.png', f'{tmp_path}/rome/tile_1.png']
    hook, runner = ChangeVisualizationHook(draw=True, interval=1), FakeRunner()
    hook.after_val_iter(runner, 0, outputs=samples)
    assert [(name, kwargs['title']) for name, _, kwargs in runner.calls] == [
        ('val_paris_tile_1', 'paris/tile_1'), ('val_rome_tile_1', 'rome/tile_1')]


def test_sixteen_bit_files_keep_their_depth_until_drawn(tmp_path):
    path = str(tmp_path / 'x.tif')
    cv2.imwrite(path, np.full((4, 4, 3), 3000, np.uint16))
    hook, runner = ChangeVisualizationHook(draw=True, interval=1), FakeRunner()
    hook.after_val_iter(runner, 0, outputs=[sample([path, path])])
    assert [i.dtype for i in runner.calls[0][1]] == [np.uint16, np.uint16]


def test_an_unreadable_image_is_left_out_and_said_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(visualization_hook, 'print_log', lambda text, **kw: said.append(text))
    path = tmp_path / 'x.tif'
    path.write_bytes(b'no image')
    hook, runner = ChangeVisualizationHook(draw=True, interval=1), FakeRunner()
    hook.after_val_iter(runner, 0, outputs=[sample(str(path))] * 2)
    assert [images for _, images, _ in runner.calls] == [[], []]
    assert len(said) == 1 and 'x.tif' in said[0]


@pytest.mark.parametrize('orientation', [1, 3, 6])
def test_pixels_come_as_stored_like_in_training(tmp_path, orientation):
    image = Image.fromarray(np.random.RandomState(0).randint(0, 256, (12, 20, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(tmp_path / 'turned.jpg')
    image.save(path, exif=exif, quality=95, subsampling=0)
    shown, trained = visualization_hook.read_picture(path), read_image(path)[..., ::-1]
    assert shown.shape == trained.shape == (12, 20, 3)
    assert np.abs(shown.astype(int) - trained).max() <= 3
