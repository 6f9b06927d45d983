"""What is compared: one file for each framework, named after it.

A file states in its header (inline script metadata) what its environment holds, pinned, and in a table for each way to
run it

- `worker`: the command of its worker; `{concurrency}`, `{processes}` and `{redis}` are filled in;
- `note`: the settings that matter, for the table of settings in the report;
- `drain`: the concurrency at which it drains fastest, where that is not 100;
- `serial`: true where a process runs one task at a time, so that waits cannot be measured;
- `environment`: variables for its processes.

A file without dependencies runs in the environment of the command that compares. Its module defines the tasks `noop`
(returns its argument), `wait` (waits so many milliseconds) and `spin` (about a millisecond of bytecode), each of which
calls `hit` last, and functions that add them by name: `add`, `add_many`, `result` and, where adding and waiting are one
call, `trip`; or `add_async`, `add_many_async` and `result_async`, with `open_async` before them. What is missing, the
framework does not have. The address of the server comes from `BENCH_REDIS`, the concurrency of a worker whose command
has no option for it from `BENCH_CONCURRENCY`.
"""
