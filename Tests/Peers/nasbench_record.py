"""Writes one NAS-Bench-101 record and its TFRecord framing, with nothing of this package: a golden value for the
importer. Needs the Python packages protobuf and google-crc32c.

    python3 nasbench_record.py

The ModelMetrics message is built by Google's protobuf from a descriptor made here by the field numbers of
nasbench/lib/model_metrics.proto; base64 is Python's encodebytes, with its line breaks, as NAS-Bench-101 used.
"""

import base64
import json
import struct

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DOUBLE, INT32, STRING, MESSAGE = 1, 5, 9, 11

file = descriptor_pb2.FileDescriptorProto(name="m.proto", package="nasbench", syntax="proto2")
metrics = file.message_type.add(name="ModelMetrics")
metrics.field.add(name="evaluation_data", number=1, label=3, type=MESSAGE, type_name=".nasbench.EvaluationData")
metrics.field.add(name="trainable_parameters", number=2, label=1, type=INT32)
metrics.field.add(name="total_time", number=3, label=1, type=DOUBLE)
data = file.message_type.add(name="EvaluationData")
for number, name in enumerate(
    ["current_epoch", "training_time", "train_accuracy", "validation_accuracy", "test_accuracy"], 1
):
    data.field.add(name=name, number=number, label=1, type=DOUBLE)
data.field.add(name="checkpoint_path", number=6, label=1, type=STRING)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
ModelMetrics = message_factory.GetMessageClass(pool.FindMessageTypeByName("nasbench.ModelMetrics"))

# A cell of NAS-Bench-101 with its published hash; the measurements are made up.
HASH = "ff91e10b9512cbe4efeec6bd926941a1"
MATRIX = "010010001010000101000011000001000000"
OPERATIONS = "input,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output"


def framed(payload: bytes) -> bytes:
    def masked(data: bytes) -> bytes:
        crc = google_crc32c.value(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


content = b""
for repeat in range(3):
    message = ModelMetrics(trainable_parameters=3824576, total_time=1300.5 + repeat)
    for epoch, seconds, accuracy in [(0, 0, 0.0625), (54, 600.25 + repeat, 0.75), (108, 1200.5 + repeat, 0.9375)]:
        message.evaluation_data.add(
            current_epoch=epoch,
            training_time=seconds,
            train_accuracy=accuracy + 0.03125,
            validation_accuracy=accuracy + repeat / 1024,
            test_accuracy=accuracy - 0.03125,
            checkpoint_path=f"model.ckpt-{epoch}",
        )
    raw = base64.encodebytes(message.SerializeToString()).decode()
    content += framed(json.dumps([HASH, 108, MATRIX, OPERATIONS, raw]).encode())
print(base64.encodebytes(content).decode(), end="")
