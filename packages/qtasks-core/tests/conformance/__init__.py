"""The conformance suite: what every broker, storage and global config must do, ours and strangers'.

A backend's tests subclass the classes of `broker.py`, `storage.py`, `split.py`, `global_config.py` and
`state_machine.py`, and provide one fixture, `new_place`. Nothing here knows a particular backend.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("harness", "model", "state_machine", "storage", "split", "global_config")),
    f"{__name__}.broker",
)
