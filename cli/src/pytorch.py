"""Measures PyTorch on this machine for `sparring bench`: layers and whole steps, dense and weight times mask, and the memory of a step.

Reads {"layers": [...], "models": [...], "batch": N, "density": d, "seconds": s, "threads": t, "sparseprop": DIR or null} from standard
input, writes JSON. Where a built copy of SparseProp is named, its layers are timed too.
"""
import json
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

job = json.load(sys.stdin)
if job["threads"]:
    torch.set_num_threads(job["threads"])
if job["sparseprop"]:
    sys.path.insert(0, job["sparseprop"])
    from sparseprop import backend as kernels
    from sparseprop.modules import SparseConv2d


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


def sparseprop(s):
    """Forward and both gradients in one backward pass: the module as its users call it, and its kernels alone, on tensors that lie as they
    want them. Each the faster of its two ways, over the batch and over the columns."""
    if s["kh"] != s["kw"] or s["stride"] > 2:
        return None
    stride, pad, k = s["stride"], s["pad"], s["kh"]
    w = torch.randn(s["c_out"], s["c_in"], k, k)
    w *= torch.rand_like(w) < job["density"]
    x = torch.randn(s["n"], s["c_in"], s["h_in"], s["w_in"])
    best = {}

    def faster(name, forward, backward):
        both = forward + backward
        if name not in best or both < best[name]["all"]:
            best[name] = {"forward": forward, "backward": backward, "all": both}

    for columns in [False, True]:
        module = SparseConv2d(w, padding=pad, stride=stride, vectorizing_over_on=columns)
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        dy = torch.randn_like(y)
        with torch.no_grad():
            forward = median_ms(lambda: module(x))
        backward = median_ms(lambda: torch.autograd.grad(y, [leaf, module.W_val], dy, retain_graph=True))
        faster("module", forward, backward)
        if columns and stride > 1:
            continue
        lies = (lambda t: t.contiguous()) if columns else (lambda t: t.permute(1, 2, 3, 0).contiguous())
        # What the module makes afresh for every call.
        tensors = [lies(t.detach()) for t in (x, y, dy, x)]
        xs, out, gradient, dx = tensors
        values, index, dw = module.W_val.detach(), module.W_idx, torch.zeros_like(module.W_val)
        kind = f"over_on_stride_{stride}" if columns else f"stride_{stride}"
        forward_kernel = getattr(kernels, f"sparse_conv2d_vectorized_forward_{kind}")
        backward_kernel = getattr(kernels, f"sparse_conv2d_vectorized_backward_{kind}")
        faster(
            "kernels",
            median_ms(lambda: forward_kernel(xs, *index, values, out, k, pad)),
            median_ms(lambda: backward_kernel(xs, *index, values, gradient, dx, dw, k, pad)),
        )
    return best


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


def step(model, masked, form, batch=job["batch"]):
    """A function that makes a step."""
    torch.manual_seed(0)
    net = MODELS[model]().to(memory_format=form)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True)
    x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=form)
    labels = torch.randint(0, 10, (batch,))
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

    return run


def growth(model, masked, form):
    """Bytes by which the memory of a process of its own grows at most while it makes a network and three steps, the libraries' own code
    not counted; None where it cannot be told."""
    if not hasattr(os, "fork"):
        return None
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        step("resnet20", masked, form, batch=1)()
        before = peak()
        run = step(model, masked, form)
        for _ in range(3):
            run()
        os.write(writes, str(peak() - before).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text) if text else None


forms = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
kinds = {"dense": False, "masked": True}


def steps(measure):
    return {model: {name: {kind: measure(model, masked, form) for kind, masked in kinds.items()} for name, form in forms.items()} for model in job["models"]}


# First: a child of a process whose threads have started does not have them.
memory = steps(growth)
json.dump(
    {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "memory": memory,
        "layers": [layer(s) for s in job["layers"]],
        "sparseprop": [sparseprop(s) for s in job["layers"]] if job["sparseprop"] else None,
        "steps": steps(lambda model, masked, form: median_ms(step(model, masked, form))),
    },
    sys.stdout,
)
