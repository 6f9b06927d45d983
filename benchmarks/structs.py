"""What messages cost as attrs classes and as msgspec structs: `python benchmarks/structs.py`.

Both have the fields of the real classes and go through the same msgspec encoder and decoder, so the class is all that
differs. Microseconds, the best of five rounds.
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

CALLS = 50_000
ROUNDS = 5


def as_attrs(struct: type[msgspec.Struct]) -> type:
    """The same fields as an attrs class; all `Any` where the struct never travels."""

    def attribute(field: FieldInfo) -> Any:
        if field.default_factory is not msgspec.NODEFAULT:
            return attrs.field(factory=field.default_factory, type=field.type)
        default = attrs.NOTHING if field.default is msgspec.NODEFAULT else field.default
        return attrs.field(default=default, type=field.type)

    return attrs.make_class(struct.__name__, {field.name: attribute(field) for field in fields(struct)}, frozen=True)


def best_us(call: Callable[[], object]) -> float:
    """The microseconds of one call in the best round."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def measure(message: type, delivery: type, outcome: type) -> list[float]:
    """Make, encode and decode a message; make a delivery; make an outcome."""
    values = (1, "0" * 32, "QueueTasks", "default", "add", [1, 2], {}, 0, 1_700_000_000_000_000)
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(message).decode
    sample, handed = message(*values), delivery(1, "0" * 32, b"")
    payload = encode(sample)
    return [
        best_us(lambda: message(*values)),
        best_us(lambda: encode(sample)),
        best_us(lambda: decode(payload)),
        best_us(lambda: delivery(1, "0" * 32, b"")),
        best_us(lambda: outcome(handed, TaskStatus.SUCCESS, b"3")),
    ]


if __name__ == "__main__":
    print(f"Python {platform.python_version()}, msgspec {msgspec.__version__}, attrs {attrs.__version__}; µs")
    print(f"{'':14}{'make':>8}{'encode':>8}{'decode':>8}{'delivery':>10}{'outcome':>9}")
    structs = (TaskMessage, Delivery, Outcome)
    for name, kinds in (("attrs.frozen", tuple(map(as_attrs, structs))), ("msgspec.Struct", structs)):
        make, encode, decode, delivery, outcome = measure(*kinds)
        print(f"{name:14}{make:8.2f}{encode:8.2f}{decode:8.2f}{delivery:10.2f}{outcome:9.2f}")
