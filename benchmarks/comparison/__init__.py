"""How QTasks and its peers are compared on one Redis: environments, the server, the workloads, the report.

`benchmarks/compare_redis.py` is the command; the files of `benchmarks/peers/` are what is compared. The modules
`marks`, `bodies`, `faces`, `workers`, `redis_server`, `drive` and `workloads` run in the environment of a peer, with
nothing but the standard library; the others run in that of the command.
"""
