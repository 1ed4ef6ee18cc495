"""onnxruntime from PyPI as the peer: python peer.py GRAPH THREADS RUNS

Prints JSON: milliseconds of each run, milliseconds to load, the process's most memory in MiB. The graph's input is
filled with the same numbers as ours; a first run is not counted.
"""

import json
import resource
import sys
import time

import numpy as np
import onnxruntime

graph, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
begun = time.perf_counter()
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
load_ms = (time.perf_counter() - begun) * 1e3
source = session.get_inputs()[0]
shape = [side if isinstance(side, int) else 1 for side in source.shape]
level = np.sin(np.arange(np.prod(shape), dtype=np.float32) * 0.01).reshape(shape)
session.run(None, {source.name: level})
times = []
for _ in range(runs):
    begun = time.perf_counter()
    session.run(None, {source.name: level})
    times.append((time.perf_counter() - begun) * 1e3)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"times_ms": times, "load_ms": load_ms, "peak_mib": peak}))
