"""Times DARTS's first-order step as NAS-Bench-1Shot1 makes it: torch.nn modules, weighted sums in Python, torch.optim.

`anytime bench --supernet` runs it beside the package's own step. Every line that it reads holds a number of steps; it
makes them and answers with the CPU seconds per step. Needs PyTorch (Debian's python3-torch).

    echo 10 | /usr/bin/python3 supernet_speed.py
"""

import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

BATCH, CHANNELS, STACKS, BLOCKS, SIZE, CLASSES = 64, 16, 3, 4, 28, 10


class ConvBnRelu(nn.Module):
    def __init__(self, inputs, outputs, size):
        super().__init__()
        self.op = nn.Sequential(
            nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, x):
        return self.op(x)


class MixedOp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.ops = nn.ModuleList(
            [ConvBnRelu(channels, channels, 1), ConvBnRelu(channels, channels, 3), nn.MaxPool2d(3, 1, 1)]
        )

    def forward(self, x, weights):
        return sum(w * op(x) for w, op in zip(weights, self.ops))


class Cell(nn.Module):
    """Space 1: the third and the fourth choice block and the output weigh their inputs."""

    def __init__(self, inputs, channels):
        super().__init__()
        self.projections = nn.ModuleList([ConvBnRelu(inputs, channels, 1) for _ in range(BLOCKS)])
        self.direct = ConvBnRelu(inputs, channels * BLOCKS, 1)
        self.blocks = nn.ModuleList([MixedOp(channels) for _ in range(BLOCKS)])

    def forward(self, x, operations, parents, output):
        states = []
        for number, block in enumerate(self.blocks):
            inputs = [self.projections[number](x), *states]
            if number in parents:
                inputs = [w * t for w, t in zip(parents[number], inputs)]
            states.append(block(sum(inputs), operations[number]))
        weighted = [w * t for w, t in zip(output[1:], states)]
        return output[0] * self.direct(x) + torch.cat(weighted, dim=1)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = ConvBnRelu(1, CHANNELS, 3)
        self.cells = nn.ModuleList()
        before, wide = CHANNELS, CHANNELS
        for stack in range(STACKS):
            wide = CHANNELS * 2**stack
            self.cells.append(Cell(before, wide))
            before = wide * BLOCKS
        self.postprocess = nn.Sequential(
            nn.ReLU(), nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide, affine=False)
        )
        self.classifier = nn.Linear(wide, CLASSES)
        self.operations = (1e-3 * torch.randn(BLOCKS, 3)).requires_grad_()
        self.parents = {n: (1e-3 * torch.randn(n + 1)).requires_grad_() for n in (2, 3)}
        self.output = (1e-3 * torch.randn(BLOCKS + 1)).requires_grad_()

    def architecture(self):
        return [self.operations, *self.parents.values(), self.output]

    def forward(self, x):
        x = self.stem(x)
        for stack, cell in enumerate(self.cells):
            if stack > 0:
                x = F.max_pool2d(x, 2, 2)
            operations = F.softmax(self.operations, dim=-1)
            parents = {n: F.softmax(row, dim=-1) for n, row in self.parents.items()}
            x = cell(x, operations, parents, F.softmax(self.output, dim=-1))
        x = self.postprocess(x)
        return self.classifier(x.view(*x.shape[:2], -1).mean(-1))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network, criterion = Network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    architect = torch.optim.Adam(network.architecture(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    images, labels = torch.randn(2, BATCH, 1, SIZE, SIZE), torch.randint(CLASSES, (2, BATCH))

    def step():
        architect.zero_grad()
        criterion(network(images[1]), labels[1]).backward()
        architect.step()
        optimizer.zero_grad()
        loss = criterion(network(images[0]), labels[0])
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimizer.step()
        return loss.item()

    for line in sys.stdin:
        count = int(line)
        start = time.process_time()
        for _ in range(count):
            step()
        print((time.process_time() - start) / count, flush=True)


if __name__ == "__main__":
    main()
