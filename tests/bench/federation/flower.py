"""Flower's side of the benchmark `federation`; prints one line of JSON.

    flower.py aggregate VALUES CLIENTS        its FedAvg over replies that already lie in memory
    flower.py serve PORT VALUES CLIENTS ROUNDS   a server; clients are started apart
    flower.py client PORT VALUES SEED         a client that answers at once with parameters made beforehand
"""

import json
import os
import resource
import sys
import time

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"

import numpy as np  # noqa: E402


def random_values(values, seed):
    return np.random.default_rng(seed).standard_normal(values, dtype=np.float32)


def peak_mib():
    """Of this process, since it was started."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def aggregate(values, clients):
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    def reply(client):
        arrays = ArrayRecord({"weight": Array(random_values(values, client))})
        return RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": client % 90 + 10})})

    replies = [reply(client) for client in range(clients)]
    before, begun = peak_mib(), time.process_time()
    result = aggregate_arrayrecords(replies, "num-examples")
    cpu = time.process_time() - begun
    assert result["weight"].numpy().shape == (values,)
    print(json.dumps({"cpu_s": cpu, "peak_mib": peak_mib(), "before_mib": before}))


def parameters_of(array):
    from flwr.common import ndarrays_to_parameters

    return ndarrays_to_parameters([array])


def serve(port, values, clients, rounds):
    from flwr.server import ServerConfig, start_server
    from flwr.server.strategy import FedAvg

    measured = []

    class Timed(FedAvg):
        """A round's time runs from when all clients are there until their updates are aggregated."""

        def configure_fit(self, server_round, parameters, client_manager):
            instructions = super().configure_fit(server_round, parameters, client_manager)
            self.begun, self.cpu = time.monotonic(), time.process_time()
            return instructions

        def aggregate_fit(self, server_round, results, failures):
            assert len(results) == clients and not failures, failures
            aggregated = super().aggregate_fit(server_round, results, failures)
            now = time.monotonic()
            assert sum(map(len, aggregated[0].tensors)) > 4 * values
            measured.append(
                {
                    "aggregated_s": now - self.begun,
                    "server_cpu_s": time.process_time() - self.cpu,
                    "server_peak_mib": peak_mib(),
                }
            )
            return aggregated

    strategy = Timed(
        fraction_fit=1.0,
        fraction_evaluate=0.0,
        min_fit_clients=clients,
        min_available_clients=clients,
        initial_parameters=parameters_of(random_values(values, 0)),
    )
    start_server(
        server_address=f"127.0.0.1:{port}", config=ServerConfig(num_rounds=rounds), strategy=strategy
    )
    print(json.dumps(measured))


def client(port, values, seed):
    from flwr.client import Client, start_client
    from flwr.common import Code, FitRes, Parameters, Status

    made = parameters_of(random_values(values, seed))

    class Ready(Client):
        def fit(self, ins):
            return FitRes(
                status=Status(code=Code.OK, message=""),
                # Flower empties the list it is given.
                parameters=Parameters(list(made.tensors), made.tensor_type),
                num_examples=50,
                metrics={},
            )

    start_client(server_address=f"127.0.0.1:{port}", client=Ready(), insecure=True)


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    {"aggregate": aggregate, "serve": serve, "client": client}[what](*map(int, numbers))
