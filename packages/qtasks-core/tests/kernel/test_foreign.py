"""Types that plugins register: encoded where msgspec knows nothing of them, restored by annotation."""

import dataclasses
import sys
from types import SimpleNamespace

import pytest
from qtasks import QueueTasks, TaskStatus, hookimpl
from qtasks.errors import EncodeError, PluginError
from qtasks.foreign import register_type
from qtasks.testing import running

PATIENCE_S = 20.0
CODEC = "codec_of_a_plugin"


class Money:
    """What msgspec knows nothing of."""

    def __init__(self, cents):
        self.cents = cents

    def __eq__(self, other):
        return type(other) is type(self) and other.cents == self.cents

    __hash__ = None


class Euros(Money):
    pass


@dataclasses.dataclass
class Invoice:
    total: Money
    parts: list[Euros]


class Unknown:
    pass


def decode(kind, value):
    if not isinstance(value, int):
        raise ValueError("cents were expected")  # noqa: TRY004 - as the contract says
    return kind(value)


class MoneyPlugin:
    @hookimpl
    def register_types(self, register):
        register(f"{Money.__module__}:Money", CODEC)


@pytest.fixture
def app(monkeypatch):
    codec = SimpleNamespace(encode=lambda money: money.cents, decode=decode)
    monkeypatch.setitem(sys.modules, CODEC, codec)
    app = QueueTasks(broker_url="memory://foreign")
    app.add_plugin(MoneyPlugin())
    yield app
    app.flush_all()
    app.close()


def run(app, function, *args):
    task = app.task(f"t{len(app.tasks)}")(function)
    with running(app):
        return task.add_task(*args, timeout=PATIENCE_S)


def test_a_value_of_a_registered_type_travels_there_and_back(app):
    def double(price: Money, more: list[Euros | None]) -> Money:
        assert more == [Euros(1), None]
        return Money(2 * price.cents)

    assert run(app, double, Money(5), [Euros(1), None]).result() == Money(10)


def test_it_travels_within_what_msgspec_knows(app):
    def total(invoice: Invoice) -> Invoice:
        return Invoice(Money(sum(part.cents for part in invoice.parts)), [])

    assert run(app, total, Invoice(Money(0), [Euros(1), Euros(2)])).result() == Invoice(Money(3), [])


def test_a_value_that_does_not_fit_ends_the_task_with_the_words_of_the_codec(app):
    def pay(price: Money):
        pass

    ended = run(app, pay, "five")
    assert ended.status is TaskStatus.DEAD
    assert "argument 'price' does not fit its annotation" in ended.error
    assert "cents were expected" in ended.error


def test_without_an_annotation_it_is_what_the_codec_made_of_it(app):
    assert run(app, lambda price: price, Money(5)).result() == 5


def test_what_the_codec_raises_is_told_with_the_path(app, monkeypatch):
    def broken(money):
        raise ValueError("no rate")

    monkeypatch.setattr(sys.modules[CODEC], "encode", broken)
    with pytest.raises(EncodeError, match=r"args\[0\]\.price: a value of type Euros cannot be encoded \(no rate\)"):
        run(app, lambda price: price, {"price": Euros(1)})


def test_a_type_that_nobody_registered_is_named(app):
    with pytest.raises(EncodeError, match=r"args\[0\]: .* \(nothing encodes objects of type .*:Unknown\)"):
        run(app, lambda value: value, Unknown())


def test_a_type_has_one_codec(app):
    with pytest.raises(PluginError, match=r"Two plugins encode .*:Money: codec_of_a_plugin and other_codec"):
        register_type(f"{Money.__module__}:Money", "other_codec")
