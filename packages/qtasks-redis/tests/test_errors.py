import pytest
from qtasks import errors
from qtasks_redis.connections import new_reader
from qtasks_redis.errors import GarbledError, ScriptError, translate


def answer(text):
    """What is read of an error that a server answers."""
    reader = new_reader()
    reader.feed(b"-%b\r\n" % text.encode())
    return reader.gets()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOAUTH Authentication required.", errors.BackendError),
        ("WRONGPASS invalid username-password pair or user is disabled.", errors.BackendError),
        ("NOPERM User x has no permissions to run the 'evalsha' command", errors.BackendError),
        ("READONLY You can't write against a read only replica.", errors.BackendReadOnlyError),
        ("OOM command not allowed when used memory > 'maxmemory'.", errors.BackendFullError),
        ("MISCONF Errors writing to the AOF file: No space left on device", errors.BackendFullError),
        ("LOADING Redis is loading the dataset in memory", errors.BackendUnavailableError),
        ("BUSY Redis is busy running a script.", errors.BackendUnavailableError),
        ("CLUSTERDOWN The cluster is down", errors.BackendUnavailableError),
        ("MASTERDOWN Link with MASTER is down", errors.BackendUnavailableError),
        ("NOREPLICAS Not enough good replicas to write.", errors.BackendUnavailableError),
        ("ERR AUTH <password> called without any password configured for the default user.", errors.BackendError),
        ("ERR WRONGTYPE Operation against a key, on @user_script:484.", errors.BackendCorruptError),
        ("ERR max number of clients reached", errors.BackendUnavailableError),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", errors.BackendCorruptError),
        ("ERR unknown command 'EVALSHA', with args beginning with: 'secret'", errors.BackendError),
        ("ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'", errors.BackendError),
    ],
)
def test_what_a_server_refuses_becomes_our_error_with_a_mend(text, kind):
    error = translate(answer(text), "redis://h/0")
    assert type(error) is kind
    assert error.message.startswith("redis://h/0 ")
    assert error.hint
    assert "secret" not in str(error)


def test_the_full_stop_of_a_server_is_not_doubled():
    assert not translate(answer("NOAUTH Authentication required."), "redis://h/0").message.endswith("..")
    assert not translate(answer("ERR DB index is out of range."), "redis://h/99").message.endswith("..")


def test_a_database_that_is_not_there_is_told_with_those_that_are():
    error = translate(answer("ERR DB index is out of range"), "redis://h/99")
    assert type(error) is errors.BackendError
    assert "databases 0 to 15" in error.hint


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionError("Connection closed by server.")])
def test_what_does_not_answer_with_tls_may_not_encrypt(error):
    assert "write redis://" in translate(error, "rediss://h/0").hint
    assert "rediss" not in translate(error, "redis://h/0").hint


def test_an_old_server_is_told_what_is_needed():
    error = translate(answer("ERR Error compiling script: user_script:1: unexpected symbol near '#'"), "redis://h")
    assert "7.0" in error.hint


def test_an_error_of_a_script_keeps_its_text():
    error = translate(answer("QTASKS lease lost"), "redis://h")
    assert type(error) is ScriptError
    assert "QTASKS lease lost" in error.message


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionRefusedError(111, "refused"), ConnectionError("x")],
)
def test_what_does_not_answer_is_unavailable(error):
    assert type(translate(error, "redis://h")) is errors.BackendUnavailableError


def test_other_protocols_are_named_as_such():
    reader = new_reader()
    reader.feed(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(GarbledError) as caught:
        reader.gets()
    error = translate(caught.value, "redis://h")
    assert type(error) is errors.BackendError
    assert "Redis" in error.hint


def test_our_own_errors_stay_as_they_are():
    error = errors.BackendFullError("full")
    assert translate(error, "redis://h") is error


def test_a_server_that_hangs_up_may_want_tls():
    assert "rediss://" in translate(ConnectionResetError("Connection reset by peer"), "redis://h/0").hint
