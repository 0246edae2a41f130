#!/usr/bin/env python3
"""Writes a search that was made elsewhere as a trace that `anytime` puts on its curves.

In your own search, keep a `Trace` and call `epoch` after every epoch:

    trace = Trace("1")
    for epoch in range(50):
        ...
        trace.epoch(seconds, architecture=[torch.softmax(row, -1).tolist() for row in rows])
    trace.write("trace.json")

Rows are in the order of the space's parameters: three operations (conv1x1, conv3x3, maxpool3x3) per choice block,
then the possible parents of every vertex that has a choice, the output last. `seconds` are what the epoch cost, in
the seconds of the table that you compare on: multiply yours by how much faster or slower your machine is.

Run as a program, it converts the files that NAS-Bench-1Shot1's scripts leave behind:

    python3 trace.py FOLDER --space 1 --seconds-per-epoch 600 > trace.json

Then: anytime compare --table nasbench_full.table --space 1 --horizon 10d --seeds 1 --method trace:file=trace.json
"""
import argparse
import json
import math
import pathlib
import pickle
import sys


class Trace:
    def __init__(self, space):
        self.content = {"space": space, "epochs": []}

    def epoch(self, seconds, architecture=None, cell=None):
        point = {"epoch": len(self.content["epochs"]) + 1, "seconds": seconds}
        if cell is not None:
            point["cell"] = cell
        else:
            point["architecture"] = architecture
        self.content["epochs"].append(point)

    def write(self, file):
        with open(file, "w") as stream:
            json.dump(self.content, stream)


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [x / sum(powers) for x in powers]


def from_one_shot_1(arrays):
    """Rows of NAS-Bench-1Shot1's one_shot_architecture_EPOCH.obj: operations (pooling, 3x3, 1x1), output, inputs."""
    operations, output, *inputs = [array.tolist() for array in arrays]
    rows = [softmax(row)[::-1] for row in operations]
    return rows + [softmax(row[0]) for row in inputs] + [softmax(output[0])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where one_shot_architecture_0.obj and its like are")
    parser.add_argument("--space", choices=["1", "2", "3"], required=True)
    parser.add_argument("--seconds-per-epoch", type=float, required=True)
    arguments = parser.parse_args()
    files = sorted(
        arguments.folder.glob("one_shot_architecture_*.obj"), key=lambda file: int(file.stem.split("_")[-1]))
    if not files:
        sys.exit(f"{arguments.folder}: there is no one_shot_architecture_0.obj; name the folder of a search")
    trace = Trace(arguments.space)
    for file in files[1:]:  # a file is written before its epoch: number 1 is what epoch 0 left
        with open(file, "rb") as stream:
            trace.epoch(arguments.seconds_per_epoch, architecture=from_one_shot_1(pickle.load(stream)))
    json.dump(trace.content, sys.stdout)


if __name__ == "__main__":
    main()
