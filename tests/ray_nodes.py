"""A Ray cluster of two nodes on this machine, of which a test can kill workers and a node."""

from collections.abc import Iterator
from typing import Any

import psutil
import pytest


class TwoNodes:
    """A cluster of two nodes, each with one core."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=small)
        self._second = self._cluster.add_node(**small)

    @property
    def address(self) -> str:
        """Address of the cluster."""
        return str(self._cluster.address)

    def workers(self, name: str) -> list[psutil.Process]:
        """Return the workers of both nodes that run a task or an actor of this name."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self._cluster.list_all_nodes()]
        children = [child for raylet in raylets for child in psutil.Process(raylet).children(recursive=True)]
        return [child for child in children if name in " ".join(child.cmdline())]

    def kill_second(self) -> None:
        """Kill all processes of the second node."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def shutdown(self) -> None:
        """End the cluster."""
        self._cluster.shutdown()


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # the default, 15, starves workers beside other processes
    pytest.importorskip("ray")
    found = TwoNodes()
    yield found
    found.shutdown()
