"""The workloads that every backend is measured by; `python -m qtasks_testkit.benchmarks URL` runs them."""
