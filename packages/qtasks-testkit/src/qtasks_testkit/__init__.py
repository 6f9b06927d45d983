"""The suites that prove a backend of QTasks: conformance, a state machine, planted bugs, faults, benchmarks.

`conformance` and `machine` hold base classes of tests; `mutants` proves that they would notice; `faults` kills and
freezes real workers; `servers` starts real servers; `benchmarks` measures. `rig` and `faces` are what claims are
written with, `plugin` is what pytest loads. Nothing here knows a particular backend.
"""

from qtasks_testkit._version import __version__

__all__ = ["__version__"]
