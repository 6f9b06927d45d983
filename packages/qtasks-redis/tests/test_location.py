import pytest
from qtasks.errors import ConfigError
from qtasks_redis.location import Location, Node


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "database", "tls"),
    [
        ("redis://", "server", [("localhost", 6379)], 0, False),
        ("redis://h", "server", [("h", 6379)], 0, False),
        ("redis://h:1/7", "server", [("h", 1)], 7, False),
        ("rediss://h/", "server", [("h", 6379)], 0, True),
        ("valkey://h", "server", [("h", 6379)], 0, False),
        ("valkeys://h", "server", [("h", 6379)], 0, True),
        ("redis://[::1]:5", "server", [("::1", 5)], 0, False),
        ("unix:///run/redis.sock", "server", [("/run/redis.sock", 0)], 0, False),
        ("unix:///run/redis.sock?db=3", "server", [("/run/redis.sock", 0)], 3, False),
        ("redis+sentinel://a,b:2/main/4", "sentinel", [("a", 26379), ("b", 2)], 4, False),
        ("rediss+cluster://a:1,b:2", "cluster", [("a", 1), ("b", 2)], 0, True),
    ],
)
def test_a_url_says_where_the_server_is(url, kind, nodes, database, tls):
    location = Location.parse(url)
    assert (location.kind, location.database, location.tls) == (kind, database, tls)
    assert location.nodes == tuple(Node(*node) for node in nodes)


def test_credentials_are_percent_decoded():
    location = Location.parse("redis://me:p%40ss%2F@h")
    assert (location.username, location.password) == ("me", "p@ss/")


def test_the_service_of_sentinels_is_read():
    assert Location.parse("redis+sentinel://a/main").service == "main"


def test_parameters_are_read():
    location = Location.parse("rediss://h?durability=wait&ssl_ca_certs=/ca.pem")
    assert (location.durability, location.ssl_ca_certs) == ("wait", "/ca.pem")


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "redis://h/0/1",
        "redis://h/x",
        "redis://a,b",
        "redis://h:99999",
        "redis://a..b",
        f"redis://{'x' * 64}",
        "redis://h#part",
        "redis://h?durability=maybe",
        "redis+sentinel://h",
        "redis+cluster://h/1",
        "unix://",
        "unix://host/path",
        "redis://:bad/password@h",
    ],
)
def test_what_is_not_understood_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        Location.parse(url)
    assert caught.value.hint


def test_unknown_parameters_are_named_with_what_was_meant():
    with pytest.raises(ConfigError) as caught:
        Location.parse("redis://h?durabilty=wait&socket_timeout=3")
    assert caught.value.message == "redis://h has the unknown parameters 'durabilty', 'socket_timeout'."
    assert "durability" in caught.value.hint


def test_one_unknown_parameter_is_one():
    with pytest.raises(ConfigError, match="redis://h has the unknown parameter 'socket_timeout'"):
        Location.parse("redis://h?socket_timeout=3")


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:canary@h/0",
        "redis://:canary@h/0",
        "redis+sentinel://me:canary@a,b/main",
        "unix://me:canary@/run/redis.sock",
    ],
)
def test_the_password_is_never_shown(url):
    location = Location.parse(url)
    assert "canary" not in repr(location) + str(location) + location.redacted
    assert "***" in location.redacted


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:can/canary@h",
        "redis://me:can?canary@h",
        "redis://:12?canary@h",
        "redis://:12/canary@h",
        "redis://me:can#canary@h",
        "redis://me:can@canary@h:port",
        "redis://h?password=canary",
        "redis://me:canary@[h",
        "redis://me:canary@h/a/b",
    ],
)
def test_the_password_is_not_shown_by_errors_either(url):
    with pytest.raises(ConfigError) as caught:
        Location.parse(url)
    assert "canary" not in str(caught.value)


def test_the_redacted_url_leads_to_the_same_place():
    for url in (
        "redis://h:1/2",
        "unix:///run/redis.sock?db=1",
        "rediss+sentinel://a:1,b:2/main/3",
        "redis+cluster://a:1",
    ):
        location = Location.parse(url)
        assert Location.parse(location.redacted) == location


def test_locations_are_equal_when_their_data_is_the_same():
    assert Location.parse("redis://me:x@h") == Location.parse("redis://H:6379/0?durability=wait")
    assert Location.parse("redis+cluster://a,b") == Location.parse("redis+cluster://b,a")
    assert hash(Location.parse("redis+cluster://a,b")) == hash(Location.parse("redis+cluster://b,a"))
    assert Location.parse("redis://h/0") != Location.parse("redis://h/1")
    assert Location.parse("redis+sentinel://h/a") != Location.parse("redis+sentinel://h/b")
