"""The conformance suite: what every broker, storage and global config must do, ours and strangers'.

A backend's tests subclass the classes of `broker.py`, `storage.py`, `split.py`, `global_config.py` and
`state_machine.py`, and provide one fixture, `new_place`: a function that makes a new, empty
`harness.Place` at every call. `mutants.py` holds bugs that prove the suite. What a broker does not declare
in its capabilities is skipped, visibly. Nothing here knows a particular backend.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
