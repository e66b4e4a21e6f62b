import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from schanger_mm.experiments.study import NETWORKS, percents_of
from schanger_mm.experiments.study_figures import COLOURS, MARKERS, draw_study, study_table

STARTS = {start for _, starts in NETWORKS.values() for start in starts}
SCORES = {
    'A': {'random': {5: [10.0, 12.0, 14.0], 100: [50.0, 50.0, 50.0]},
          'SaDL': {5: [20.0, 22.0, 27.0], 100: [60, 61, 62]}},
    'B': {'random': {5: [1.25, 1.0, 0.0], 100: [99.96, 100.0, 100.0]}},
}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draw, and return the picture with the figure it was saved from."""
    def draw(scores):
        figures, save = [], Figure.savefig
        monkeypatch.setattr(Figure, 'savefig', lambda self, *args, **kwargs: figures.append(self) or
                            save(self, *args, **kwargs))
        draw_study(scores, tmp_path / 'study.partial')
        with Image.open(tmp_path / 'study.partial') as picture:
            assert picture.format == 'PNG'
            return np.asarray(picture.convert('RGB')), figures[0]
    return draw


def of_every_start(seeds=3):
    rng = np.random.default_rng(0)
    return {network: {start: {percent: list(rng.uniform(20, 90, seeds)) for percent in percents_of(network)}
                      for start in starts} for network, (_, starts) in NETWORKS.items()}


def test_table_holds_mean_and_sample_deviation():
    assert study_table(SCORES) == (
        '| network | start | 5 % of labels | 100 % of labels |\n'
        '|---|---|---|---|\n'
        '| A | random | 12.0 ± 2.0 | 50.0 ± 0.0 |\n'
        '| A | SaDL | 23.0 ± 3.6 | 61.0 ± 1.0 |\n'
        '| B | random | 0.8 ± 0.7 | 100.0 ± 0.0 |\n')


def test_shares_that_a_network_was_not_trained_with_have_no_number():
    rows = study_table({**SCORES, 'C': {'random': {5: [30.0, 34.0]}}}).splitlines()
    assert rows[-1] == '| C | random | 32.0 ± 2.8 | - |' and len(rows) == 6


def test_one_seed_has_no_deviation():
    assert study_table({'A': {'random': {20: [41.26]}}}).splitlines()[-1] == '| A | random | 41.3 ± 0.0 |'


def test_every_start_has_a_colour_and_a_marker_of_its_own():
    for table in (COLOURS, MARKERS):
        assert set(table) == STARTS and len(set(table.values())) == len(STARTS) == 5


def test_picture_has_a_panel_per_network_and_a_line_per_start(drawn):
    scores = of_every_start()
    picture, figure = drawn(scores)
    assert picture.shape == (570, 2070, 3)  # 3.8 by 13.8 inches of 150 px
    assert [axes.get_title() for axes in figure.axes] == list(NETWORKS)
    for axes, starts in zip(figure.axes, scores.values()):
        lines = {container.get_label(): container.lines for container in axes.containers}
        assert list(lines) == list(starts)
        for start, (line, caps, (bars, )) in lines.items():
            values = list(starts[start].values())
            assert (to_hex(line.get_color()).upper(), line.get_marker()) == (COLOURS[start], MARKERS[start])
            assert line.get_ydata() == pytest.approx([sum(v) / 3 for v in values])
            assert line.get_xdata() == pytest.approx(list(starts[start]), rel=0.1)
            lengths = [top - bottom for (_, bottom), (_, top) in bars.get_segments()]
            assert lengths == pytest.approx([2 * np.std(v, ddof=1) for v in values]) and len(caps) == 2
        places = [line.get_xdata()[0] for line, *_ in lines.values()]
        assert len({round(place, 3) for place in places}) == len(places)  # bars stand beside each other
        assert [text.get_text() for text in axes.get_xticklabels()] == ['5', '20', '100']


def test_one_legend_names_every_start_and_covers_no_line(drawn):
    _, figure = drawn(of_every_start())
    (legend, ) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == STARTS and len(legend.get_texts()) == 5
    assert legend.get_window_extent().y1 < min(axes.get_tightbbox().y0 for axes in figure.axes)


def test_every_colour_is_seen_in_the_picture(drawn):
    picture, _ = drawn(of_every_start())
    there = {to_hex(colour / 255).upper() for colour in np.unique(picture.reshape(-1, 3), axis=0)}
    assert set(COLOURS.values()) <= there


def test_one_network_and_one_seed_are_drawn_too(drawn):
    picture, figure = drawn({'A': {'random': {5: [10.0], 100: [50.0]}}})
    assert picture.shape == (570, 690, 3) and len(figure.axes) == 1


def test_settings_of_matplotlib_stay_as_they_were(drawn):
    before = dict(matplotlib.rcParams)
    drawn(SCORES)
    assert dict(matplotlib.rcParams) == before
