"""What Lightning needs to train in processes that are already connected."""

import os

import torch
from lightning_fabric.plugins import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy, Strategy
from timm.layers.norm_act import convert_sync_batchnorm

from lesionlab.training.network import LesionNetwork
from lesionlab.training.processes import Processes


class _Environment(ClusterEnvironment):
    """The processes as Lightning sees them: one device each, however they are spread over machines."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return os.environ["MASTER_ADDR"]

    @property
    def main_port(self) -> int:
        return int(os.environ["MASTER_PORT"])

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._processes.size

    def set_world_size(self, size: int) -> None:
        """Ignore what Lightning derives from the devices of a machine."""

    def global_rank(self) -> int:
        return self._processes.rank

    def set_global_rank(self, rank: int) -> None:
        """Ignore it as well."""

    def local_rank(self) -> int:
        return self._processes.local_rank

    def node_rank(self) -> int:
        return 0


class _Ddp(DDPStrategy):
    """DDP on the device that the process has chosen: not all see the same devices."""

    @property
    def root_device(self) -> torch.device:
        first = (self.parallel_devices or [torch.device("cpu")])[0]
        return torch.device("cuda", torch.cuda.current_device()) if first.type == "cuda" else first


def make_strategy(processes: Processes) -> Strategy | str:
    """Return Lightning's strategy for the processes of a training."""
    if processes.size == 1:
        return "auto"
    # The module averages the statistics of batch normalisation itself; torch would copy those of the first process.
    return _Ddp(cluster_environment=_Environment(processes), broadcast_buffers=False)


def share_batch_norm(network: LesionNetwork, processes: Processes, accelerator: str) -> None:
    """Let batch normalisation use the statistics of the whole batch, on CUDA: torch has it for no other device.

    Args:
        network: The network; its layers are replaced.
        processes: The processes.
        accelerator: `cuda` or `cpu`.
    """
    if processes.size > 1 and accelerator == "cuda":
        convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
