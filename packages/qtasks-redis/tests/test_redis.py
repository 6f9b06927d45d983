"""The Redis backend passes the conformance suite, which catches the bugs that are planted into it."""

import attrs
import pytest
from qtasks.message import new_id
from qtasks_redis.broker import RedisBroker
from qtasks_redis.global_config import RedisGlobalConfig
from qtasks_redis.storage import RedisStorage
from qtasks_testkit.conformance.broker import BrokerConformance
from qtasks_testkit.conformance.global_config import GlobalConfigConformance
from qtasks_testkit.conformance.split import SplitStorageConformance
from qtasks_testkit.conformance.storage import ReportConformance, StorageConformance, ValueConformance
from qtasks_testkit.machine import StateMachineConformance
from qtasks_testkit.mutants import MutantConformance


class RedisPlace:
    """Namespaces of its own on a server that others use too."""

    def __init__(self, url):
        self._url = url
        self._name = new_id()

    def _own(self, context):
        return attrs.evolve(context, namespace=f"{self._name}.{context.namespace}")

    def connect(self, context):
        own = self._own(context)
        return RedisBroker.from_url(self._url, own), RedisStorage.from_url(self._url, own)

    def connect_config(self, context):
        return RedisGlobalConfig.from_url(self._url, self._own(context))


class OnRedis:
    @pytest.fixture
    def new_place(self, redis_server):
        return lambda: RedisPlace(redis_server.url)


class TestRedisBroker(OnRedis, BrokerConformance):
    pass


class TestRedisStorage(OnRedis, StorageConformance, ReportConformance, ValueConformance):
    pass


class TestRedisAsSplitStorage(OnRedis, SplitStorageConformance):
    pass


class TestRedisGlobalConfig(OnRedis, GlobalConfigConformance):
    pass


class TestRedisStateMachine(OnRedis, StateMachineConformance):
    pass


class TestMutantsOfRedis(OnRedis, MutantConformance):
    pass
