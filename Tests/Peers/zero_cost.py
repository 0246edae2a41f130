"""Golden values of scores of untrained networks. Run with NumPy and PyTorch: python3 zero_cost.py

A cell's network by NAS-Bench-101's rules in plain PyTorch, in double precision, with parameters and images by formulas.
NWOT's kernel is summed rectifier by rectifier from active and inactive ones, as score_networks.py of
BayesWatch/nas-without-training sums it; SynFlow is |weight x gradient| of convolutions and the dense layer without
batch norm, as synflow.py of SamsungLabs/zero-cost-nas has it.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


class Network:
    """Operations, parents by vertex (0 is the input) and channels by vertex of a cell whose vertices are in order."""

    def __init__(self, operations, edges, channels, stacks, cells, image, classes, positive):
        self.operations, self.edges, self.positive = operations, edges, positive
        self.parameters, self.kernel, self.least = [], None, math.inf
        self.channels, self.stacks, self.cells, self.classes = channels, stacks, cells, classes
        self.image = image

    def parameter(self, shape, scale, shift=0.0):
        """The next parameter of the network: a wave of its number, the same in every pass."""
        if self.next == len(self.parameters):
            wave = torch.sin(0.37 * torch.arange(math.prod(shape)) + 2.0 * self.next)
            value = shift + scale * wave
            value = value.abs() if self.positive else value
            self.parameters.append(value.reshape(shape).requires_grad_(True))
        self.next += 1
        return self.parameters[self.next - 1]

    def unit(self, x, to, size):
        fan_in = x.shape[1] * size * size
        w = self.parameter((to, x.shape[1], size, size), 1.5 / math.sqrt(fan_in))
        gamma, beta = self.parameter((to,), 0.2, 1.0), self.parameter((to,), 0.1)
        x = F.conv2d(x, w, padding=size // 2)
        if not self.positive:
            x = F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)
            code = (x > 0).double().flatten(1)
            self.least = min(self.least, x.detach().abs().min().item())
            both = code @ code.t() + (1 - code) @ (1 - code).t()
            self.kernel = both.numpy() if self.kernel is None else self.kernel + both.numpy()
        return F.relu(x)

    def widths(self, output):
        last = len(self.operations) - 1
        feeding = [v for v in range(1, last) if last in self.edges[v]]
        wide = [0] * last + [output]
        for k, v in enumerate(feeding):
            wide[v] = output // len(feeding) + (k < output % len(feeding))
        for v in reversed(range(1, last)):
            if v not in feeding:
                wide[v] = max(wide[t] for t in self.edges[v])
        return wide

    def cell(self, x, output):
        last, wide, values = len(self.operations) - 1, self.widths(output), {}
        for v in range(1, last):
            total = sum(values[s][:, : wide[v]] for s in range(1, v) if v in self.edges[s])
            if v in self.edges[0]:
                total = total + self.unit(x, wide[v], 1)
            kind = self.operations[v]
            values[v] = F.max_pool2d(total, 3, 1, 1) if kind == "max" else self.unit(total, wide[v], int(kind))
        direct = self.unit(x, output, 1) if last in self.edges[0] else 0
        feeding = [values[v] for v in range(1, last) if last in self.edges[v]]
        return (torch.cat(feeding, 1) if feeding else 0) + direct

    def __call__(self, x):
        self.next = 0
        x = self.unit(x, self.channels, 3)
        for stack in range(self.stacks):
            if stack:
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            for _ in range(self.cells):
                x = self.cell(x, self.channels << stack)
        x = x.mean((2, 3))
        w = self.parameter((x.shape[1], self.classes), 1 / math.sqrt(x.shape[1]))
        return x @ w + self.parameter((self.classes,), 0.1)


CELLS = {
    "01|00 input,output": (["in", "out"], {0: [1]}),
    "01101|00110|00011|00001|00000 input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output": (
        ["in", "3", "max", "1", "out"], {0: [1, 2, 4], 1: [2, 3], 2: [3, 4], 3: [4]}),
}
for text, (operations, edges) in CELLS.items():
    def network(positive):
        return Network(operations, edges, channels=5, stacks=3, cells=2, image=(2, 9, 9), classes=4, positive=positive)

    net = network(False)
    net(torch.sin(0.11 * torch.arange(12 * 2 * 81) ** 1.5).reshape(12, 2, 9, 9))
    print(text, "parameters", sum(p.numel() for p in net.parameters))
    print("  nwot", repr(np.linalg.slogdet(net.kernel)[1]), "nearest to zero", net.least)
    net = network(True)
    net(torch.ones(1, 2, 9, 9)).sum().backward()
    weights = [p for p in net.parameters if p.dim() > 1]
    print("  synflow", repr(sum((w * w.grad).abs().sum().item() for w in weights)))
