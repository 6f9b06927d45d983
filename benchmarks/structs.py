"""What messages cost as attrs classes and as msgspec structs: `python benchmarks/structs.py`.

Both have the same fields and go through the same msgspec encoder and decoder, so the kind of class is all that differs.
Microseconds a call, the best of five rounds.
"""

import platform
import timeit
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from msgspec.structs import FieldInfo, fields
from qtasks.message import Delivery, Outcome, TaskMessage
from qtasks.types import TaskStatus

CALLS, ROUNDS = 50_000, 5
MESSAGE: tuple[Any, ...] = (1, "0" * 32, "QueueTasks", "default", "add", [1, 2], {}, 0, 1_700_000_000_000_000)


def as_attrs(struct: Any) -> Any:
    """Make a frozen attrs class with slots and with the fields of a struct."""

    def attribute(field: FieldInfo) -> Any:
        if field.default_factory is not msgspec.NODEFAULT:
            return attrs.field(factory=field.default_factory, type=field.type)
        default = attrs.NOTHING if field.default is msgspec.NODEFAULT else field.default
        return attrs.field(default=default, type=field.type)

    named = {field.name: attribute(field) for field in fields(struct)}
    return attrs.make_class(struct.__name__, named, frozen=True, slots=True)


def best_us(call: Callable[[], object]) -> float:
    """The microseconds of one call in the best round."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def measure(message: Any, delivery: Any, outcome: Any) -> list[float]:
    """Make, encode and decode a message; make a delivery; make an outcome."""
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder[Any](message).decode
    sample, handed = message(*MESSAGE), delivery(1, "0" * 32, b"")
    payload = encode(sample)
    return [
        best_us(lambda: message(*MESSAGE)),
        best_us(lambda: encode(sample)),
        best_us(lambda: decode(payload)),
        best_us(lambda: delivery(1, "0" * 32, b"")),
        best_us(lambda: outcome(handed, TaskStatus.SUCCESS, b"3")),
    ]


if __name__ == "__main__":
    print(f"Python {platform.python_version()}, msgspec {msgspec.__version__}, attrs {attrs.__version__}; µs")
    print(" " * 14 + "".join(f"{name:>10}" for name in ("make", "encode", "decode", "delivery", "outcome")))
    structs = [TaskMessage, Delivery, Outcome]
    for name, kinds in {"attrs.frozen": [as_attrs(struct) for struct in structs], "msgspec.Struct": structs}.items():
        print(f"{name:14}" + "".join(f"{us:10.2f}" for us in measure(*kinds)))
