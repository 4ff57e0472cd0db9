"""Times PyTorch on this machine for `sparring bench`: layers and whole steps, dense and weight times mask.

Reads {"layers": [...], "models": [...], "batch": N, "density": d, "seconds": s, "threads": t} from standard input, writes JSON.
"""
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

job = json.load(sys.stdin)
if job["threads"]:
    torch.set_num_threads(job["threads"])


def median_ms(run):
    run()
    samples, begin = [], time.perf_counter()
    while len(samples) < 3 or (time.perf_counter() - begin < job["seconds"] and len(samples) < 50):
        start = time.perf_counter()
        run()
        samples.append((time.perf_counter() - start) * 1e3)
    return statistics.median(samples)


def layer(s):
    n = s["n"]
    out = {}
    for name, form in [("nchw", torch.contiguous_format), ("channels_last", torch.channels_last)]:
        x = torch.randn(n, s["c_in"], s["h_in"], s["w_in"]).contiguous(memory_format=form)
        w = torch.randn(s["c_out"], s["c_in"], s["kh"], s["kw"]).contiguous(memory_format=form)
        mask = (torch.rand_like(w) < job["density"]).float()
        stride, pad = s["stride"], s["pad"]
        y = F.conv2d(x, w, stride=stride, padding=pad)
        dy = torch.randn_like(y)

        def backward(which):
            return torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, which)

        with torch.no_grad():
            out[name] = {
                "forward": median_ms(lambda: F.conv2d(x, w, stride=stride, padding=pad)),
                "input_gradient": median_ms(lambda: backward([True, False, False])),
                "weight_gradient": median_ms(lambda: backward([False, True, False])),
                "masked_forward": median_ms(lambda: F.conv2d(x, w * mask, stride=stride, padding=pad)),
            }
    return out


class Block(nn.Module):
    """A basic block. Where the extent changes the shortcut is a projection, or is subsampled and padded with channels."""

    def __init__(self, c_in, c, stride, projects):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        self.pad = 0 if projects else (c - c_in) // 2
        self.stride = stride
        self.shortcut = nn.Sequential()
        if projects and c_in != c:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c, 1, stride, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, c_in = [], 16
        for stage, c in enumerate([16, 32, 64]):
            for block in range(3):
                blocks.append(Block(c_in, c, 2 if stage and not block else 1, False))
                c_in = c
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, c_in = [], 64
        for stage, c in enumerate([64, 128, 256, 512]):
            for block in range(2):
                blocks.append(Block(c_in, c, 2 if stage and not block else 1, True))
                c_in = c
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(512, 10, bias=False)

    def forward(self, x):
        return self.linear(self.blocks(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


MODELS = {"resnet20": ResNet20, "resnet18": ResNet18}


def step(model, masked, form):
    torch.manual_seed(0)
    net = MODELS[model]().to(memory_format=form)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    x = torch.randn(job["batch"], 3, 32, 32).contiguous(memory_format=form)
    labels = torch.randint(0, 10, (job["batch"],))
    weights = [p for p in net.parameters() if p.dim() > 1]
    masks = [(torch.rand_like(p) < job["density"]).float() for p in weights]

    def run():
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()
        if masked:
            with torch.no_grad():
                for p, m in zip(weights, masks):
                    p.mul_(m)

    return median_ms(run)


forms = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
json.dump(
    {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "layers": [layer(s) for s in job["layers"]],
        "steps": {
            model: {name: {"dense": step(model, False, form), "masked": step(model, True, form)} for name, form in forms.items()}
            for model in job["models"]
        },
    },
    sys.stdout,
)
