"""Pydantic models as arguments and results: the three forms of a call, what comes back, and what is refused."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, field_serializer
from qtasks import TaskStatus
from qtasks.errors import EncodeError
from qtasks.testing import running

PATIENCE_S = 20.0


class Address(BaseModel):
    city: str


class User(BaseModel):
    name: str
    born: dt.date
    home: Address | None = None


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    at: dt.datetime
    tags: frozenset[str] = frozenset()
    days: int = Field(default=1, alias="dayCount")


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Pets(RootModel[list[Cat | Dog]]):
    pass


ADA = User(name="Ada", born=dt.date(1815, 12, 10), home=Address(city="London"))
ADAS = {"name": "Ada", "born": "1815-12-10", "home": {"city": "London"}}


@pytest.fixture(params=["def", "async def"])
def run(request, bench, in_face):
    """The ended task of a function in both faces."""

    def run(function, *args, **kw):
        task = bench.app.task(f"t{len(bench.app.tasks)}", retry=2, retry_delay=0)(in_face(request.param, function))
        with running(bench.app):
            return task.options(timeout=PATIENCE_S).add_task(*args, **kw)

    return run


@pytest.mark.parametrize(
    ("args", "kw"),
    [((ADA,), {}), ((ADAS,), {}), ((), ADAS), ((), {"user": ADA}), ((), {"user": ADAS})],
    ids=["a model", "a dict", "its fields", "a model by name", "a dict by name"],
)
def test_a_task_is_given_its_model_whatever_the_form_of_the_call(run, args, kw):
    def task(user: User):
        assert user == ADA
        return user.home.city

    assert run(task, *args, **kw).result() == "London"


def test_a_model_is_made_of_fields_beside_other_arguments(run):
    def task(times: int, user: Annotated[User | None, "who"] = None, greeting: str = "hello"):
        return [times, user and user.name, greeting]

    assert run(task, 2, greeting="hi", **ADAS).result() == [2, "Ada", "hi"]
    assert run(task, 2).result() == [2, None, "hello"]


def test_fields_are_taken_by_name_and_by_alias_also_by_strict_models(run):
    def task(plan: Strict):
        return [plan.days, sorted(plan.tags), plan.at.year]

    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert run(task, Strict(at=at, tags=frozenset("ab"), dayCount=3)).result() == [3, ["a", "b"], 2026]
    assert run(task, at=at, days=4).result() == [4, [], 2026]
    assert run(task, at=at, dayCount=5).result() == [5, [], 2026]


def test_models_within_containers_and_unions_are_restored(run):
    def task(users: list[User], by_name: dict[str, User], pet: Annotated[Cat | Dog, Field(discriminator="kind")]):
        assert users == [ADA]
        assert by_name == {"ada": ADA}
        return type(pet).__name__

    assert run(task, [ADA], {"ada": ADA}, Dog()).result() == "Dog"
    assert run(task, [ADAS], by_name={"ada": ADAS}, pet={"kind": "cat"}).result() == "Cat"


def test_a_result_is_kept_as_json_and_restored_by_the_annotation(bench):
    def ada() -> User:
        return ADA

    def plain():
        return ADA

    def several() -> list[User]:
        return [ADA]

    def pets() -> Pets:
        return Pets([Dog(), Cat()])

    assert bench.run(ada).result() == ADA
    assert bench.run(plain).result() == ADAS
    assert bench.run(several).result() == [ADA]
    assert bench.run(pets).result() == Pets([Dog(), Cat()])


def test_yielded_models_are_restored(bench):
    def users() -> Iterator[User]:
        yield ADA

    task = bench.run(users)
    assert list(task.stream()) == [ADA]
    assert task.result() == [ADA]


@pytest.mark.parametrize("form", ["a dict", "its fields", "in a list", "in a union"])
def test_what_does_not_fit_ends_the_task_at_once_with_the_text_of_pydantic(run, form):
    ran = []

    def one(user: User):
        ran.append(user)

    def several(users: list[User]):
        ran.append(users)

    def either(user: User | int):
        ran.append(user)

    wrong = {"name": "Ada", "born": "yesterday"}
    if form == "its fields":
        ended = run(one, **wrong)
    else:
        function, argument = {"a dict": (one, wrong), "in a list": (several, [wrong]), "in a union": (either, wrong)}[
            form
        ]
        ended = run(function, argument)
    assert ran == []
    assert ended.status is TaskStatus.DEAD
    assert len(ended.record.history) <= 1  # it was not tried again
    assert "does not fit its annotation" in ended.error
    assert "born" in ended.error
    assert "Input should be a valid date" in ended.error


def test_fields_are_no_model_where_it_is_ambiguous(run):
    def two(first: User, second: User):
        pass

    def anything(user: User, **rest):
        return sorted(rest)

    assert "the arguments do not fit" in run(two, **ADAS).error
    assert run(anything, ADA, colour="red").result() == ["colour"]


def test_what_pydantic_cannot_encode_fails_at_add_task_with_its_path(bench):
    class Blob(BaseModel):
        data: bytes

    class Number(BaseModel):
        value: float

    task = bench.app.task("t")(lambda blob: None)
    with pytest.raises(EncodeError, match=r"args\[0\]\.blobs\[1\]: a value of type Blob cannot be encoded"):
        task.add_task({"blobs": [1, Blob(data=b"\xff")]})
    with pytest.raises(EncodeError, match=r"args\[0\]\.value: nan is not a JSON number"):
        task.add_task(Number(value=float("nan")))


def test_a_secret_is_refused_unless_the_model_says_how_it_travels(run, bench):
    class Masked(BaseModel):
        key: SecretStr | None = None

    class Told(Masked):
        @field_serializer("key")
        def tell(self, key):
            return key.get_secret_value()

    def task(told: Told):
        return told.key.get_secret_value()

    with pytest.raises(EncodeError, match="it holds a secret"):
        run(lambda masked: None, Masked(key="k"))
    assert run(task, Told(key="k")).result() == "k"
    assert bench.app.task("optional")(lambda masked: None).add_task(Masked())


def test_an_error_of_the_function_itself_passes_as_it_is(run):
    def task(user: User):
        Address.model_validate({})

    ended = run(task, ADA)
    assert ended.status is TaskStatus.ERROR
    assert ended.error.startswith("ValidationError: 1 validation error for Address")


def test_each_backend_carries_models(app):
    @app.task
    def older(user: User, years: int) -> User:
        return user.model_copy(update={"born": user.born.replace(year=user.born.year - years)})

    with running(app):
        ended = older.add_task(ADA, 5, timeout=PATIENCE_S)
    assert ended.result().born == dt.date(1810, 12, 10)
    assert app.get(ended.uuid).result().name == "Ada"


def test_models_need_no_word_of_the_application_and_pydantic_is_not_imported_for_others():
    program = (
        "import sys; from qtasks import QueueTasks; app = QueueTasks(broker_url='memory://')\n"
        "app.task('t')(lambda: None).add_task(); print('pydantic' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60)
    assert answer.stdout == "False\n"
