"""Golden values of the supernet and of the one-shot methods' steps: `OneShotTests/Resources/supernet-golden.json`.

An implementation in plain PyTorch, made from the papers and from the package's documentation. Needs PyTorch (made
with 1.13.1, Debian's python3-torch). Numbers are computed in double precision from inputs that were rounded to
single precision; how far the same program in single precision is from them is printed, and is part of the file.

    /usr/bin/python3 supernet.py [FILE]
"""

import json
import math
import os
import sys

import torch
import torch.nn.functional as F

# Parents of every choice block, and of the output (Zela, Siems and Hutter 2020).
SPACES = {
    "mini": ([1, 2, 2], 2),
    "1": ([1, 2, 2, 2], 2),
    "2": ([1, 1, 2, 2], 3),
    "3": ([1, 1, 1, 2, 2], 2),
}
OPERATIONS = ["conv1x1", "conv3x3", "maxpool3x3"]
EPSILON = 1e-5


class Space:
    """Which rows of architecture weights a space has: (vertex, alternatives, how many are chosen)."""

    def __init__(self, name):
        blocks, output = SPACES[name]
        self.blocks = len(blocks)
        wanted = dict(enumerate(blocks + [output], start=1))
        self.output = self.blocks + 1
        # A vertex has as many possible parents as there are vertices before it.
        self.free = {v: n for v, n in wanted.items() if n < v}
        self.sizes = [len(OPERATIONS)] * self.blocks + list(self.free)


# ---------------------------------------------------------------------------------------------------------------
# Kinks: where gradients jump, rounding decides. Inputs were chosen (`shift`) to stay away from them.

nearest = [math.inf]


def rectified(x):
    distance = x.detach().abs()
    nearest[0] = min(nearest[0], distance[distance > 0].min().item())
    return F.relu(x)


def pooled(x, window, stride, padding=0):
    """Windows may reach over the edge; those that do not fit otherwise do."""
    with torch.no_grad():
        height = -(-(x.shape[-1] + 2 * padding - window) // stride) * stride + window
        more = height - x.shape[-1] - padding
        padded = F.pad(x, (padding, more, padding, more), value=-1e9)
        best = F.unfold(padded, window, stride=stride).view(*x.shape[:2], window**2, -1).topk(2, dim=2)[0]
        gap = best[:, :, 0] - best[:, :, 1]
        # What is exactly equal is so in any precision.
        gap = gap[gap > 1e-13]
        nearest[0] = min(nearest[0], gap.min().item())
    return F.max_pool2d(x, window, stride, padding, ceil_mode=True)


# ---------------------------------------------------------------------------------------------------------------
# Inputs, by formulas that the tests repeat


def rounded(values, shape, dtype):
    return torch.tensor(values, dtype=torch.float64).float().to(dtype).reshape(shape)


def phase(name):
    return sum(name.encode()) % 1000


def parameter(name, shape, dtype):
    count = math.prod(shape)
    wave = [math.sin(0.37 * j + phase(name)) for j in range(count)]
    kind = name.rsplit(".", 1)[1]
    if name == "dense.weight":
        values = [1 / math.sqrt(shape[0]) * w for w in wave]
    elif kind == "weight":
        values = [1.5 / math.sqrt(math.prod(shape[1:])) * w for w in wave]
    elif kind == "gamma":
        values = [1 + 0.2 * w for w in wave]
    else:
        values = [0.1 * w for w in wave]
    return rounded(values, shape, dtype)


def velocity(name, shape, dtype):
    return rounded([0.01 * math.sin(0.21 * j + phase(name)) for j in range(math.prod(shape))], shape, dtype)


def architecture(space, dtype):
    return [
        rounded([0.3 * math.sin(1.1 * j + 2.3 * r + 0.5) for j in range(n)], [n], dtype).requires_grad_()
        for r, n in enumerate(space.sizes)
    ]


def images(shape, shift, dtype):
    values = [math.sin(0.731 * j + 0.0037 * (j % 1009) ** 2 + shift) for j in range(math.prod(shape))]
    return rounded(values, shape, dtype)


def uniforms():
    k = 0
    while True:
        k += 1
        yield min(max(math.fmod(0.6180339887 * k, 1.0), 1e-9), 1 - 1e-9)


# ---------------------------------------------------------------------------------------------------------------
# Choices. A choice is a function from a function of alternatives ("compute number k") to their combination.


class Soft:
    """All alternatives, weighted."""

    def __init__(self, weights):
        self.weights = weights

    def used(self):
        return range(len(self.weights))

    def scale(self, k, x):
        return self.weights[k] * x


class Hard:
    """One alternative, times its straight-through weight, which is one."""

    def __init__(self, weights):
        self.weights = weights

    def used(self):
        return [int(self.weights.argmax())]

    def scale(self, k, x):
        return self.weights[k] * x


class Fixed:
    """Given alternatives as they are."""

    def __init__(self, places):
        self.places = places

    def used(self):
        return self.places

    def scale(self, k, x):
        return x


class Choices:
    """Of one cell: `operation[vertex]`, `parents[vertex]` with vertices from 1."""

    def __init__(self, space, by_row):
        self.operation = {v: by_row[v - 1] for v in range(1, space.output)}
        self.parents = {v: Fixed(list(range(v))) for v in range(1, space.output + 1)}
        for v, choice in zip(space.free, by_row[space.blocks :]):
            self.parents[v] = choice


def softmax_choices(space, rows):
    choices = Choices(space, [Soft(F.softmax(row, 0)) for row in rows])
    return lambda cell: choices


def gumbel_choices(space, rows, temperature, noise, dtype):
    """Anew for every cell: operations hard, parents soft (Dong and Yang 2019; NAS-Bench-1Shot1)."""

    def draw(cell):
        by_row = []
        for r, row in enumerate(rows):
            gumbel = rounded([-math.log(-math.log(next(noise))) for _ in row], [len(row)], dtype)
            soft = F.softmax((row + gumbel) / temperature, 0)
            if r >= space.blocks:
                by_row.append(Soft(soft))
                continue
            hard = F.one_hot(soft.argmax(), len(row)).to(dtype)
            by_row.append(Hard(hard + soft - soft.detach()))
        return Choices(space, by_row)

    return draw


def fixed_choices(space, operations, parents):
    choices = Choices(space, [Fixed([o]) for o in operations] + [Fixed(p) for p in parents])
    return lambda cell: choices


# ---------------------------------------------------------------------------------------------------------------
# The network


class Network:
    def __init__(self, space, channels, image_channels, classes=10, stacks=3, cells=1, parts=1, momentum=0.1,
                 padding=0, dtype=torch.float64):
        self.space, self.stacks, self.cells, self.parts = space, stacks, cells, parts
        self.momentum, self.padding, self.dtype = momentum, padding, dtype
        self.shapes, self.norms = {}, {}
        self._unit("stem", image_channels, channels, 3)
        before = channels
        for cell in range(stacks * cells):
            wide = channels * 2 ** (cell // cells)
            for v in range(1, space.output):
                self._unit(f"cells.{cell}.input.{v}", before, wide, 1)
                self._unit(f"cells.{cell}.block.{v}.conv1x1", wide // parts, wide // parts, 1)
                self._unit(f"cells.{cell}.block.{v}.conv3x3", wide // parts, wide // parts, 3)
            self._unit(f"cells.{cell}.input.output", before, wide * space.blocks, 1)
            before = wide * space.blocks
        self._unit("final", before, wide, 1, affine=False)
        self.shapes["dense.weight"] = [wide, classes]
        self.shapes["dense.bias"] = [classes]
        self.parameters = {n: parameter(n, s, dtype).requires_grad_() for n, s in self.shapes.items()}
        self.start_cleaning()

    def _unit(self, name, inputs, outputs, size, affine=True):
        self.shapes[f"{name}.weight"] = [outputs, inputs, size, size]
        if affine:
            self.shapes[f"{name}.gamma"] = [outputs]
            self.shapes[f"{name}.beta"] = [outputs]
        self.norms[name] = [torch.zeros(outputs, dtype=self.dtype), torch.ones(outputs, dtype=self.dtype)]

    def start_cleaning(self):
        self.clean = {n: [torch.zeros_like(m), torch.ones_like(v)] for n, (m, v) in self.norms.items()}
        self.cleaned = 0

    def unit(self, name, x, w, mode):
        """Convolution, batch norm, rectifier (none after the last)."""
        weight = w[f"{name}.weight"]
        y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        gamma, beta = w.get(f"{name}.gamma"), w.get(f"{name}.beta")
        if mode == "batch":
            y = F.batch_norm(y, None, None, gamma, beta, True, 0.0, EPSILON)
        elif mode == "training":
            # NAS-Bench-1Shot1 sets the momentum of all batch norms but the last one's, which keeps PyTorch's default.
            momentum = 0.1 if name == "final" else self.momentum
            y = F.batch_norm(y, *self.norms[name], gamma, beta, True, momentum, EPSILON)
        elif mode == "running":
            y = F.batch_norm(y, *self.norms[name], gamma, beta, False, 0.0, EPSILON)
        elif mode == "cleaning":
            y = F.batch_norm(y, *self.clean[name], gamma, beta, True, 1 / (self.cleaned + 1), EPSILON)
        elif mode == "clean":
            y = F.batch_norm(y, *self.clean[name], gamma, beta, False, 0.0, EPSILON)
        return y if gamma is None else rectified(y)

    def operation(self, cell, v, k, x, w, mode):
        if OPERATIONS[k] == "maxpool3x3":
            return pooled(x, 3, 1, 1)
        return self.unit(f"cells.{cell}.block.{v}.{OPERATIONS[k]}", x, w, mode)

    def cell(self, cell, x, choices, w, mode):
        space = self.space
        states = {}

        def state(v):
            """A choice block, computed when something asks for it."""
            if v in states:
                return states[v]
            choice = choices.parents[v]
            total = sum(choice.scale(p, source(p, v)) for p in choice.used())
            share = total.shape[1] // self.parts
            seen, passing = total[:, :share], total[:, share:]
            choice = choices.operation[v]
            y = sum(choice.scale(k, self.operation(cell, v, k, seen, w, mode)) for k in choice.used())
            if self.parts > 1:
                y = torch.cat([y, passing], 1)
                n, c, height, width = y.shape
                y = y.view(n, self.parts, c // self.parts, height, width).transpose(1, 2)
                y = y.reshape(n, c, height, width)
            states[v] = y
            return y

        def source(p, v):
            return state(p) if p > 0 else self.unit(f"cells.{cell}.input.{v}", x, w, mode)

        choice = choices.parents[space.output]
        used = list(choice.used())
        parts = {p: choice.scale(p, state(p)) for p in used if p > 0}
        result = 0
        if parts:
            example = next(iter(parts.values()))
            result = torch.cat([parts.get(v, torch.zeros_like(example)) for v in range(1, space.output)], 1)
        if 0 in used:
            result = result + choice.scale(0, self.unit(f"cells.{cell}.input.output", x, w, mode))
        return result

    def logits(self, x, choices, mode, w=None):
        w = w or self.parameters
        x = self.unit("stem", x, w, mode)
        for cell in range(self.stacks * self.cells):
            if cell > 0 and cell % self.cells == 0:
                x = pooled(x, 2, 2, self.padding)
            x = self.cell(cell, x, choices(cell), w, mode)
        x = self.unit("final", rectified(x), w, mode)
        if mode == "cleaning":
            self.cleaned += 1
        return x.mean((2, 3)) @ w["dense.weight"] + w["dense.bias"]


# ---------------------------------------------------------------------------------------------------------------
# Steps


def unrolled_gradient(network, rows, choices, training, search, velocities, rate, momentum, decay, exact):
    """Liu, Simonyan and Yang 2019, equations 6 to 8."""
    names = list(network.parameters)

    def loss(part, w):
        return F.cross_entropy(network.logits(part[0], choices(), "batch", w), part[1])

    def stepped(w, gradients):
        return {n: w[n] - rate * (momentum * velocities[n] + g + decay * w[n]) for n, g in zip(names, gradients)}

    w = network.parameters
    if exact:
        gradients = torch.autograd.grad(loss(training, w), list(w.values()), create_graph=True)
        return torch.autograd.grad(loss(search, stepped(w, gradients)), rows)
    gradients = torch.autograd.grad(loss(training, w), list(w.values()))
    ahead = {n: p.detach().requires_grad_() for n, p in stepped(w, gradients).items()}
    found = torch.autograd.grad(loss(search, ahead), rows + list(ahead.values()))
    direct, vector = found[: len(rows)], dict(zip(names, found[len(rows) :]))
    radius = 0.01 / torch.cat([v.flatten() for v in vector.values()]).norm()

    def at(sign):
        moved = {n: (p + sign * radius * vector[n]).detach() for n, p in w.items()}
        return torch.autograd.grad(loss(training, moved), rows)

    return [d - rate * (a - b) / (2 * radius) for d, a, b in zip(direct, at(1), at(-1))]


def digest(x):
    """Two projections of all numbers, and the sum of their magnitudes."""
    flat = x.detach().double().flatten()
    waves = torch.cos(0.1 * torch.arange(len(flat), dtype=torch.float64))
    return [flat.sum().item(), (flat * waves).sum().item(), flat.abs().sum().item()]


def listed(rows):
    return [row.detach().double().tolist() for row in rows]


def case(dtype, space, method, image=(1, 10, 10), channels=4, stacks=3, cells=1, parts=1, momentum=0.1,
         padding=0, shift=0.0, temperature=2.5, operations=None, parents=None, clip=5.0):
    shape = Space(space)
    network = Network(shape, channels, image[0], stacks=stacks, cells=cells, parts=parts, momentum=momentum,
                      padding=padding, dtype=dtype)
    rows = architecture(shape, dtype)
    training = (images((6, *image), shift, dtype), torch.tensor([(3 * i + 1) % 10 for i in range(6)]))
    search = (images((6, *image), shift + 1.9, dtype), torch.tensor([(3 * i + 2) % 10 for i in range(6)]))
    noise = uniforms()
    rate, weight_momentum, decay = 0.025, 0.9, 3e-4
    adam = torch.optim.Adam(rows, lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    sgd = torch.optim.SGD(network.parameters.values(), lr=rate, momentum=weight_momentum, weight_decay=decay)
    for name, p in network.parameters.items():
        sgd.state[p]["momentum_buffer"] = velocity(name, list(p.shape), dtype)

    def choices():
        if method == "gdas":
            return gumbel_choices(shape, rows, temperature, noise, dtype)
        if method == "discrete":
            return fixed_choices(shape, operations, parents)
        return softmax_choices(shape, rows)

    result = {"steps": []}
    for step in range(2):
        record = {}
        if method != "discrete":
            adam.zero_grad(set_to_none=True)
            if method == "darts-second":
                buffers = {n: sgd.state[p]["momentum_buffer"] for n, p in network.parameters.items()}
                arguments = (network, rows, choices, training, search, buffers, rate, weight_momentum, decay)
                gradients = unrolled_gradient(*arguments, exact=False)
                record["exactGradient"] = listed(unrolled_gradient(*arguments, exact=True))
            else:
                loss = F.cross_entropy(network.logits(search[0], choices(), "batch"), search[1])
                record["searchLoss"] = loss.item()
                gradients = torch.autograd.grad(loss, rows)
            record["gradient"] = listed(gradients)
            for row, gradient in zip(rows, gradients):
                row.grad = gradient.clone()
            if method == "gdas":
                torch.nn.utils.clip_grad_norm_(rows, clip)
            adam.step()
            record["architecture"] = listed(rows)
        sgd.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network.logits(training[0], choices(), "training"), training[1])
        record["loss"] = loss.item()
        loss.backward(inputs=list(network.parameters.values()))
        gradients = {n: None if p.grad is None else digest(p.grad) for n, p in network.parameters.items()}
        record["norm"] = torch.nn.utils.clip_grad_norm_(network.parameters.values(), clip).item()
        sgd.step()
        result["steps"].append(record)
        if step == 0:
            result["parameters"] = {
                n: [*(gradients[n] or [0, 0, 0]), *digest(sgd.state[p]["momentum_buffer"])[:2], *digest(p)[:2]]
                for n, p in network.parameters.items()
            }
            result["statistics"] = {
                n: [*digest(mean)[:2], *digest(variance)[:2]] for n, (mean, variance) in network.norms.items()
            }
            with torch.no_grad():
                if method != "gdas":
                    logits = network.logits(search[0], choices(), "running")
                    record["runningLoss"] = F.cross_entropy(logits, search[1]).item()
                if method == "discrete":
                    for part in (training, search):
                        network.logits(part[0], choices(), "cleaning")
                    logits = network.logits(search[0], choices(), "clean")
                    record["cleanLoss"] = F.cross_entropy(logits, search[1]).item()
    return result


# ---------------------------------------------------------------------------------------------------------------
# ENAS's controller


class Controller(torch.nn.Module):
    """Pham et al. 2018, section 2.4, with temperature 5 and logits bounded by 2.5 (parents) and 0.5."""

    def __init__(self, space, hidden, dtype):
        super().__init__()
        self.space = space
        self.words = torch.nn.Embedding(1 + len(OPERATIONS), hidden)
        self.lstm = torch.nn.LSTMCell(hidden, hidden)
        self.operation = torch.nn.Linear(hidden, len(OPERATIONS), bias=False)
        self.vertex = torch.nn.Linear(hidden, hidden, bias=False)
        self.state = torch.nn.Linear(hidden, hidden, bias=False)
        self.score = torch.nn.Linear(hidden, 1, bias=False)
        self.to(dtype)
        self.ordered = {
            "embeddings": self.words.weight, "lstm.input": self.lstm.weight_ih, "lstm.hidden": self.lstm.weight_hh,
            "lstm.input.bias": self.lstm.bias_ih, "lstm.hidden.bias": self.lstm.bias_hh,
            "operations": self.operation.weight, "attention.vertex": self.vertex.weight,
            "attention.state": self.state.weight, "attention": self.score.weight,
        }
        with torch.no_grad():
            for name, p in self.ordered.items():
                wave = [0.5 * math.sin(0.37 * j + phase(name)) for j in range(p.numel())]
                p.copy_(rounded(wave, p.shape, dtype))

    def draw(self, uniform):
        log_probability, entropy = 0, 0
        operations, parents = [], []

        def pick(logits):
            """A place by the inverse of the distribution function, its log probability, the entropy."""
            distribution = torch.distributions.Categorical(logits=logits)
            below = distribution.probs.detach().double().cumsum(0)
            place = min(int((below <= next(uniform) * below[-1]).sum()), len(logits) - 1)
            return place, distribution.log_prob(torch.tensor(place)), distribution.entropy()

        def word(number):
            return self.words(torch.tensor([number]))

        memory = self.lstm(word(0))
        anchors = [memory[0]]
        for v in range(1, self.space.output + 1):
            heard = word(0)
            if v in self.space.free:
                memory = self.lstm(heard, memory)
                keys = torch.cat([self.vertex(a) for a in anchors])
                logits = 2.5 * torch.tanh(self.score(torch.tanh(keys + self.state(memory[0]))).flatten() / 5)
                left, chosen = list(range(v)), []
                for turn in range(self.space.free[v]):
                    place, log, uncertainty = pick(logits[left])
                    log_probability = log_probability + log
                    # Of several draws without replacement only the first counts.
                    entropy = entropy + (uncertainty.item() if turn == 0 else 0)
                    chosen.append(left.pop(place))
                parents.append(sorted(chosen))
                heard = anchors[chosen[-1]]
            if v == self.space.output:
                break
            memory = self.lstm(heard, memory)
            place, log, uncertainty = pick(0.5 * torch.tanh(self.operation(memory[0]).flatten() / 5))
            log_probability, entropy = log_probability + log, entropy + uncertainty.item()
            operations.append(place)
            memory = self.lstm(word(place + 1), memory)
            anchors.append(memory[0])
        return operations, parents, log_probability, entropy


def controller_case(dtype, space, hidden=12, draws=4):
    controller = Controller(Space(space), hidden, dtype)
    adam = torch.optim.Adam(controller.ordered.values(), lr=0.01, betas=(0.1, 0.999), eps=1e-3)
    uniform = uniforms()
    result = {"draws": []}
    for number in range(draws):
        operations, parents, log_probability, entropy = controller.draw(uniform)
        adam.zero_grad(set_to_none=True)
        # REINFORCE, with the difference of baseline and reward.
        (log_probability * (0.75 - 0.5 * number)).backward()
        result["draws"].append({
            "operations": operations, "parents": parents, "logProbability": log_probability.item(),
            "entropy": entropy, "gradients": {n: digest(p.grad) for n, p in controller.ordered.items()},
        })
        adam.step()
    result["parameters"] = {n: digest(p) for n, p in controller.ordered.items()}
    return result


# ---------------------------------------------------------------------------------------------------------------

CASES = {
    "DARTS, first order, space 1": dict(space="1", method="darts", shift=0.9),
    "DARTS, first order, space 2": dict(space="2", method="darts", shift=0.9),
    "DARTS, first order, space 3": dict(space="3", method="darts", shift=0.7),
    "DARTS, first order, space mini": dict(space="mini", method="darts", shift=0.45),
    "DARTS, first order, space 1, colour, two cells per stack": dict(
        space="1", method="darts", shift=0.75, image=(3, 12, 12), stacks=2, cells=2),
    "DARTS, first order, space 1, as published": dict(
        space="1", method="darts", shift=0.9, momentum=0.997, padding=1),
    "DARTS, second order, space 1": dict(space="1", method="darts-second", shift=1.1),
    "DARTS, second order, space 3": dict(space="3", method="darts-second", shift=0.15),
    "GDAS, space 1": dict(space="1", method="gdas", shift=0.35),
    "GDAS, space 3": dict(space="3", method="gdas", shift=0.75, clip=0.05),
    "PC-DARTS, space 1": dict(space="1", method="darts", shift=0.25, channels=8, parts=4),
    "PC-DARTS, space 3": dict(space="3", method="darts", shift=1.15, channels=8, parts=4),
    "one path, space 1": dict(
        space="1", method="discrete", operations=[1, 0, 2, 1], parents=[[0, 2], [1, 3], [2, 4]], clip=0.25),
    "one path, space 3": dict(
        space="3", method="discrete", shift=0.85, operations=[2, 1, 0, 1, 0],
        parents=[[0], [1], [0, 2], [1, 3], [0, 4]]),
}


def compact(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {k: compact(v) for k, v in value.items()}
    return [compact(v) for v in value] if isinstance(value, (list, tuple)) else value


def deviation(single, double):
    """Greatest differences: of losses and architecture gradients, relative to the greatest number of a gradient; and
    of the weights' gradients' digests, relative to the sum of magnitudes."""
    steps, weights = 0.0, 0.0
    for a, b in zip(single["steps"], double["steps"]):
        for key in b:
            if key.lower().endswith("loss"):
                steps = max(steps, abs(a[key] - b[key]) / abs(b[key]))
            elif key.lower().endswith("gradient"):
                pairs = [pair for rows in zip(a[key], b[key]) for pair in zip(*rows)]
                steps = max(steps, max(abs(x - y) for x, y in pairs) / max(abs(y) for _, y in pairs))
    for name, numbers in double["parameters"].items():
        if numbers[2] > 0:
            difference = max(abs(x - y) for x, y in zip(single["parameters"][name][:2], numbers))
            weights = max(weights, difference / numbers[2])
    return [float(f"{x:.1e}") for x in (steps, weights)]


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        folder, "..", "OneShotTests", "Resources", "supernet-golden.json")
    torch.set_num_threads(1)
    file = {
        "madeBy": f"Tests/Peers/supernet.py, PyTorch {torch.__version__}, in double precision from inputs rounded "
        "to single precision",
        "cases": {}, "controllers": {},
    }
    for name, settings in CASES.items():
        nearest[0] = math.inf
        found = case(torch.float64, **settings)
        kink = float(f"{nearest[0]:.1e}")
        single = deviation(case(torch.float32, **settings), found)
        print(f"{name}: loss {found['steps'][0]['loss']:.6f}, norm {found['steps'][0]['norm']:.3f}, "
              f"nearest kink {kink}, single precision differs by {single}")
        file["cases"][name] = {"settings": settings, "kink": kink, "deviations": single, **found}
    for space in ("1", "2", "3", "mini"):
        file["controllers"][space] = controller_case(torch.float64, space)
        for drawn in file["controllers"][space]["draws"]:
            print(space, drawn["operations"], drawn["parents"], drawn["logProbability"], drawn["entropy"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as output:
        json.dump(compact(file), output, separators=(",", ":"))
        output.write("\n")


if __name__ == "__main__":
    main()
