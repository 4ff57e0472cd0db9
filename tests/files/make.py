"""Writes the files of this folder: weights as other programs save them, of networks so small that a file is a few kilobytes.

    python make.py          # in this folder; torch 2.15, numpy 2.4 and safetensors 0.8 wrote what is here

Every file of a `tiny` of width 0.25 holds the same weights, those of `weights/plain.pth`, where its name says nothing else. The test that
reads them is cli/tests/files.rs.
"""
import argparse
import collections
import datetime
import decimal
import json
import pathlib
import struct
import zipfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.nn.utils import parametrizations, prune, spectral_norm

torch.manual_seed(0)
OUT = pathlib.Path("weights")


def save(name, content, **how):
    torch.save(content, OUT / name, **how)


class Tiny(nn.Module):
    """The zoo's `tiny` at width 0.25."""

    def __init__(self):
        super().__init__()
        for i, (a, b, stride) in enumerate([(3, 4, 1), (4, 8, 2), (8, 16, 2)], 1):
            self.add_module(f"conv{i}", nn.Conv2d(a, b, 3, stride, 1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(b))
        self.fc = nn.Linear(16, 10)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, shortcut, bottleneck, batchnorm=True):
        super().__init__()
        last = 4 * outputs if bottleneck else outputs
        kernels = [1, 3, 1] if bottleneck else [3, 3]
        widths = [inputs] + [outputs] * (len(kernels) - 1) + [last]
        for i, k in enumerate(kernels, 1):
            step = stride if k == 3 and (bottleneck or i == 1) else 1
            self.add_module(f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], k, step, k // 2, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(widths[i] if batchnorm else widths[i - 1]))
        if stride != 1 or inputs != last:
            layers = [nn.Conv2d(inputs, last, 1, stride, bias=False)] + ([nn.BatchNorm2d(last)] if batchnorm else [])
            self.add_module(shortcut, nn.Sequential(*layers))
        self.shortcut_name = shortcut

    def forward(self, x):
        y, n = x, 3 if hasattr(self, "conv3") else 2
        for i in range(1, n + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < n else y
        return F.relu(y + getattr(self, self.shortcut_name, nn.Identity())(x))


class Residual(nn.Module):
    def __init__(self, blocks, widths, shortcut, classifier, kernel=3, bottleneck=False, batchnorm=True, bias=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], kernel, 2 if kernel == 7 else 1, kernel // 2, bias=False)
        if batchnorm:
            self.bn1 = nn.BatchNorm2d(widths[0])
        at, self.stages, self.classifier = widths[0], len(blocks), classifier
        for stage, (width, count) in enumerate(zip(widths, blocks), 1):
            layers = []
            for i in range(count):
                layers.append(Block(at, width, 2 if stage > 1 and i == 0 else 1, shortcut, bottleneck, batchnorm))
                at = 4 * width if bottleneck else width
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.add_module(classifier, nn.Linear(at, 10, bias))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return getattr(self, self.classifier)(x.mean((2, 3)))


def jolted(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.2, 0.2)
    return net.eval()


net = jolted(Tiny())
plain = net.state_dict()
other = {k: v + 1 if v.is_floating_point() else v for k, v in plain.items()}
prefixed = lambda prefix, state=plain: {prefix + k: v for k, v in state.items()}
but = lambda **changed: {**plain, **{k.replace("__", "."): v for k, v in changed.items()}}
conv1, conv2 = plain["conv1.weight"], plain["conv2.weight"]

# Containers.
save("plain.pth", plain)
save("legacy.pth", plain, _use_new_zipfile_serialization=False)
with zipfile.ZipFile(OUT / "plain.pth") as whole, zipfile.ZipFile(OUT / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as packed:
    for name in whole.namelist():
        packed.writestr(name, whole.read(name))
contiguous = {k: v.contiguous() for k, v in plain.items()}
save_file(contiguous, OUT / "hub.safetensors", metadata={"format": "pt"})
save_file(contiguous, OUT / "plain.safetensors")
raw = (OUT / "plain.safetensors").read_bytes()
length = struct.unpack("<Q", raw[:8])[0]
for name, metadata in [("null_metadata", None), ("number_metadata", {"epoch": 3})]:
    header = json.dumps({"__metadata__": metadata, **json.loads(raw[8 : 8 + length])}).encode()
    header += b" " * (-len(header) % 8)
    (OUT / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + raw[8 + length :])

# Wrappers, several sets, prefixes.
save("wrapped.pth", {"net": prefixed("module."), "acc": np.float64(91.5), "epoch": 3})
save("two_sets.pth", {"model": plain, "model_ema": other, "epoch": 3})
save("ema_only.pth", {"model_ema": {"module": plain}, "epoch": 3})
save("gan.pth", {"generator": plain, "discriminator": other})
save("model_is_config.pth", {"model": {"arch": "tiny", "depth": 3}, "weights": plain})
save("unknown_key.pth", {"my_network": plain, "rng_state": torch.get_rng_state()})
save("tuple.pth", (3, plain))
save("lightning.pth", {"state_dict": {**prefixed("model."), "criterion.weight": torch.ones(10), "train_acc.tp": torch.tensor(3)}})
save("averaged.pth", {"n_averaged": torch.tensor(1), **prefixed("module.")})
save("flat_ema.pth", {**prefixed("model."), **prefixed("model_ema.", other)})
save("student_teacher.pth", {**prefixed("student."), **prefixed("teacher.", other)})
save("counted.pth", {**plain, "total_ops": torch.zeros(1), "conv1.total_params": torch.zeros(1)})
mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
save("normalised.pth", {"0.mean": mean.view(1, 3, 1, 1), "0.std": std.view(1, 3, 1, 1), **prefixed("1.")})

# Things beside the tensors.
optimizer = torch.optim.Adam(net.parameters())
scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
things = {
    "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "loss": nn.CrossEntropyLoss(), "when": datetime.date(2026, 1, 1),
    "decimal": decimal.Decimal("1.5"), "device": torch.device("cuda:1"), "dtype": torch.float16, "bytes": b"abc", "array": bytearray(b"x"),
    "path": pathlib.Path("/x"), "args": argparse.Namespace(lr=0.1, device=torch.device("cpu")), "f64": np.float64(0.5),
    "numbers": np.arange(6).reshape(2, 3), "i64": np.int64(3), "default": collections.defaultdict(list, {"a": [1]}),
    "queue": collections.deque([1, 2]), "counter": collections.Counter("hello"), "set": {1, 2}, "frozen": frozenset([1]), "complex": 1 + 2j,
    "slice": slice(1, 2), "size": torch.Size([1, 2]), "function": F.relu, "range": range(3), "big": 10**30, "type": int,
    "complex64": torch.zeros(3, dtype=torch.complex64), "f8": torch.zeros(3).to(torch.float8_e4m3fn), "u16": torch.zeros(3, dtype=torch.uint16),
}
save("things_beside.pth", {"state_dict": plain, **things})
save("things_beside_legacy.pth", {"state_dict": plain, **{k: v for k, v in things.items() if k != "loss"}}, _use_new_zipfile_serialization=False)

# Forms of tensors.
complex_ = torch.complex(torch.zeros_like(conv1), -conv1)
save("negative_bit.pth", but(conv1__weight=complex_.conj().imag))
save("sparse_coo.pth", but(conv1__weight=conv1.to_sparse(), conv2__weight=conv2.to_sparse(2)))
save("sparse_csr.pth", but(fc__weight=plain["fc.weight"].to_sparse_csr()))
save("expanded.pth", but(bn1__weight=torch.ones(1).expand(4), bn2__weight=torch.tensor(1.0).expand(8)))
save("half.pth", {k: v.half() if v.is_floating_point() else v for k, v in plain.items()})
parameter, tagged = nn.Parameter(conv1.clone()), conv2.clone()
parameter.tag = tagged.tag = "x"
save("attributes.pth", but(conv1__weight=parameter, conv2__weight=tagged))
save("strided.pth", but(conv1__weight=conv1.transpose(0, 1).contiguous().transpose(0, 1), conv2__weight=torch.cat([conv2, conv2])[8:]))
save("float8.pth", but(conv1__weight=conv1.to(torch.float8_e4m3fn)))

# Masks.
pruned = jolted(Tiny())
pruned.load_state_dict(plain)
for module in pruned.modules():
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        prune.l1_unstructured(module, "weight", amount=0.75)
prune.l1_unstructured(pruned.fc, "bias", amount=0.3)
save("pruned.pth", {"state_dict": prefixed("module.", pruned.state_dict())})
save("zeros.pth", {k: dict(pruned.named_buffers()).get(k + "_mask", 1) * v for k, v in plain.items()})
for name, reparametrised in [("spectral_norm", spectral_norm), ("weight_norm", parametrizations.weight_norm)]:
    module = Tiny()
    reparametrised(module.conv1)
    save(f"{name}.pth", module.state_dict())

# What is no state dict.
save("whole_module.pth", net)
save("whole_module_legacy.pth", net, _use_new_zipfile_serialization=False)
save("whole_module_inside.pth", {"net": net, "acc": 1.0})
torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), OUT / "torchscript.pt")
quantised = torch.quantize_per_tensor(conv1, 0.1, 0, torch.qint8)
save("quantised.pth", but(conv1__weight=quantised))
save("quantised_dynamic.pth", torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8).state_dict())
save("one_tensor.pth", conv1)
save("no_tensors.pth", {"epoch": 1, "acc": 0.5})

# Residual networks at width 0.01 (4 channels everywhere), and their log-probabilities for 2 images.
widths = [4, 4, 4, 4]
networks = {
    "kuangliu_resnet18": Residual([2, 2, 2, 2], widths, "shortcut", "linear"),
    "kuangliu_resnet50": Residual([3, 4, 6, 3], widths, "shortcut", "linear", bottleneck=True),
    "own_resnet18": Residual([2, 2, 2, 2], widths, "shortcut", "linear", bias=False),
    "torchvision_resnet18": Residual([2, 2, 2, 2], widths, "downsample", "fc"),
    "torchvision_7x7": Residual([2, 2, 2, 2], widths, "downsample", "fc", kernel=7),
    "chenyaofo_resnet20": Residual([3, 3, 3], widths[:3], "downsample", "fc"),
}
pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
answers = {"pixels": pixels}
m, s = (torch.tensor(v).view(1, 3, 1, 1) for v in [(0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)])
for name, network in networks.items():
    jolted(network)
    state = network.state_dict()
    save(f"{name}.pth", {"net": prefixed("module.", state), "acc": 91.2, "epoch": 1} if name.startswith("kuangliu") else state,
         _use_new_zipfile_serialization=name != "kuangliu_resnet50")
    with torch.no_grad():
        answers[name] = F.log_softmax(network((pixels / 255 - m) / s), 1)
save_file(answers, OUT / "answers.safetensors")
save("preactivation.pth", Residual([2, 2, 2, 2], widths, "shortcut", "linear", batchnorm=False).state_dict())


def in_sequences(name):
    """The names of weiaicunzai/pytorch-cifar100."""
    first, _, rest = name.partition(".")
    if first in ("conv1", "bn1"):
        return f"conv1.{0 if first == 'conv1' else 1}.{rest}"
    if not first.startswith("layer"):
        return name
    block, module, rest = rest.split(".", 2)
    place = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4}
    middle = f"residual_function.{place[module]}" if module in place else module
    return f"conv{int(first[5:]) + 1}_x.{block}.{middle}.{rest}"


own = networks["kuangliu_resnet18"].state_dict()
save("sequences_resnet18.pth", {in_sequences(k).replace("linear", "fc"): v for k, v in own.items()})
