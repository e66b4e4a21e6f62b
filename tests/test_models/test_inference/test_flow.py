import pytest
import torch
from torch import nn

from schanger_mm.models.inference import InferenceConv, inference_form
from schanger_mm.models.inference.flow import Flow


class Net(nn.Module):
    """A convolution and a norm whose names promise that one follows the other."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.relu = nn.ReLU()
        self.bn1.running_mean.fill_(0.5)
        self.bn1.running_var.fill_(3.0)


class Follows(Net):
    def forward(self, x):
        return self.relu(self.bn1(self.conv1(x)))


class NormFirst(Net):
    def forward(self, x):
        return self.conv1(self.bn1(x))


class Skips(Net):
    def forward(self, x):
        y = self.conv1(x)
        return self.bn1(y) + y


class Changes(Net):
    def forward(self, x):
        return self.bn1(self.conv1(x).mul_(2))


class Returns(Net):
    def forward(self, x):
        y = self.conv1(x)
        return self.bn1(y), y


class Shares(Net):
    def forward(self, x):
        return self.bn1(self.conv1(x)) + self.bn1(x)


class Twice(Net):
    """As a Siamese encoder."""

    def forward(self, x):
        return self.bn1(self.conv1(x)) - self.bn1(self.conv1(2 * x))


def watch(net, x):
    flow = Flow(net)
    with torch.no_grad(), flow:
        flow.finish(net(x))
    return list(flow.pairs())


@pytest.mark.parametrize('kind, folds', [(Follows, True), (Twice, True), (NormFirst, False), (Skips, False),
                                         (Changes, False), (Returns, False), (Shares, False)])
def test_a_norm_folds_only_where_it_alone_takes_what_the_convolution_gives(kind, folds):
    net, x = kind().eval(), torch.randn(2, 3, 8, 8)
    assert ((net.conv1, net.bn1) in watch(net, x)) == folds
    form = inference_form(net, x)
    assert isinstance(form.bn1, nn.Identity) == folds and isinstance(form.conv1, InferenceConv)
    with torch.no_grad():
        torch.testing.assert_close(form(x), net(x))


def test_an_activation_runs_in_place_only_on_what_nothing_else_needs():
    class Needed(Net):
        def forward(self, x):
            y = self.bn1(self.conv1(x))
            return self.relu(y) + y

    x = torch.randn(2, 3, 8, 8)
    assert inference_form(Follows().eval(), x).relu.inplace
    assert not inference_form(Needed().eval(), x).relu.inplace
    assert not inference_form(Follows().eval(), x, portable=True).relu.inplace
