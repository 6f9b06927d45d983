"""The messages of `qtasks.proto` as classes, made when this is imported; a test holds them against that file.

No generated code: what `protoc` writes is bound to the version of protobuf that it was written for.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "qtasks.v1"

_TEXTS = ("id", "task", "queue", "status", "result", "error")

_MESSAGES: dict[str, dict[str, type]] = {
    "AddTaskRequest": {"task": str, "args": str, "kwargs": str, "options": str},
    "GetTaskRequest": {"id": str, "wait": bool},
    "Task": {**dict.fromkeys(_TEXTS, str), "created_us": int, "updated_us": int},
    "StreamTaskRequest": {"id": str, "attempt": int, "offset": int},
    "StreamItem": {"value": str, "attempt": int, "offset": int},
}
"""The fields of each message; their numbers count from 1."""

_TYPES = {
    str: FieldDescriptorProto.TYPE_STRING,
    bool: FieldDescriptorProto.TYPE_BOOL,
    int: FieldDescriptorProto.TYPE_INT64,
}


def _described() -> Any:
    file = FileDescriptorProto(name="qtasks.proto", package=PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            message.field.add(name=field, number=number, type=_TYPES[kind], label=FieldDescriptorProto.LABEL_OPTIONAL)
    return DescriptorPool().Add(file)  # not the pool of all: a client in this process may have generated code


_file: Any = _described()

AddTaskRequest, GetTaskRequest, Task, StreamTaskRequest, StreamItem = (
    GetMessageClass(_file.message_types_by_name[name]) for name in _MESSAGES
)
