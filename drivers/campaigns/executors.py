"""Where the jobs of a campaign run: Parsl's executors and providers, described in one YAML file.

Jobs are threads or processes of Parsl; each keeps to its share of the processors (CPU affinity, which
LAMMPS's ranks and threads inherit). Parsl's own affinity would give every rank of a band all threads of a
worker.
"""

import math
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from hopkin.drivers.campaigns.campaign import Workers, read_yaml
from hopkin.drivers.errors import CampaignError, MachineError
from hopkin.drivers.models import take_processors
from hopkin.drivers.specification import sentences

if TYPE_CHECKING:
    from parsl.config import Config
    from parsl.executors.base import ParslExecutor
    from parsl.launchers.base import Launcher
    from parsl.providers.base import ExecutionProvider

_BLOCKS = 40  # in which Parsl has a job go on, each of which has ended under it, as by its walltime
_FAILED_BLOCKS = 20  # in a row, after which there is no hope: a wrong account, a broken environment
_HEARTBEAT_S = 15
_SILENT_S = 60  # without a heartbeat, after which a block is lost; and workers whose campaign was killed end

Walltime = Annotated[str, Field(pattern=r"^\d+:\d\d:\d\d$", description="hours:minutes:seconds")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Give what was set, under Parsl's names."""
        return self.model_dump(exclude={"kind"}, exclude_none=True)


class _Blocks(_Part):
    """What all providers have in common: a block is one job of the batch system."""

    init_blocks: int = Field(default=1, ge=0, description="blocks at the start")
    min_blocks: int = Field(default=0, ge=0, description="blocks kept")
    max_blocks: PositiveInt = Field(default=1, description="blocks at most")
    nodes_per_block: PositiveInt = Field(default=1, description="nodes of a block")
    worker_init: str = Field(default="", description="shell lines before the workers start")


class Local(_Blocks):
    """Processes on this machine."""

    kind: Literal["local"]

    def provider(self) -> "ExecutionProvider":
        """Parsl's provider."""
        from parsl.providers import LocalProvider

        return LocalProvider(**self.given())


class Slurm(_Blocks):
    """Jobs of Slurm."""

    kind: Literal["slurm"]
    partition: str | None = Field(default=None, description="--partition")
    account: str | None = Field(default=None, description="--account")
    qos: str | None = Field(default=None, description="--qos")
    constraint: str | None = Field(default=None, description="--constraint")
    cores_per_node: PositiveInt | None = Field(default=None, description="--cpus-per-task")
    mem_per_node: PositiveInt | None = Field(default=None, description="--mem [GB]")
    gpus_per_node: PositiveInt | None = Field(default=None, description="--gpus-per-node")
    walltime: Walltime = "01:00:00"
    exclusive: bool = Field(default=False, description="whole nodes")
    scheduler_options: str = Field(default="", description="further #SBATCH lines")

    def provider(self) -> "ExecutionProvider":
        """Parsl's provider; srun starts the workers where there are several nodes."""
        from parsl.launchers import SingleNodeLauncher, SrunLauncher
        from parsl.providers import SlurmProvider

        launcher: Launcher = SrunLauncher() if self.nodes_per_block > 1 else SingleNodeLauncher()
        return SlurmProvider(**self.given(), launcher=launcher)


class Pbs(_Blocks):
    """Jobs of PBS Pro."""

    kind: Literal["pbs"]
    account: str | None = Field(default=None, description="-A")
    queue: str | None = Field(default=None, description="-q")
    cpus_per_node: PositiveInt = Field(default=1, description="ncpus of the select line")
    select_options: str = Field(default="", description="further parts of the select line")
    walltime: Walltime = "01:00:00"
    scheduler_options: str = Field(default="", description="further #PBS lines")

    def provider(self) -> "ExecutionProvider":
        """Parsl's provider."""
        from parsl.providers import PBSProProvider

        return PBSProProvider(**self.given())


class Kubernetes(_Blocks):
    """Pods of Kubernetes; the folder of results has to be on a volume that they share with this process."""

    kind: Literal["kubernetes"]
    image: str = Field(description="container image with hopkin")
    namespace: str = Field(default="default")
    max_cpu: PositiveFloat = Field(default=2, description="limit of cores of a pod")
    max_mem: str = Field(default="4Gi", description="limit of memory of a pod")
    init_cpu: PositiveFloat = Field(default=1, description="cores that a pod asks for")
    init_mem: str = Field(default="2Gi", description="memory that a pod asks for")
    persistent_volumes: list[tuple[str, str]] = Field(default=[], description="claim and mount point of each")

    def provider(self) -> "ExecutionProvider":
        """Parsl's provider."""
        from parsl.providers import KubernetesProvider

        return KubernetesProvider(**self.given())


class Threads(_Part):
    """Jobs side by side on this machine; LAMMPS runs in processes of its own."""

    kind: Literal["threads"]
    workers: Workers | None = Field(default=None, description="jobs at a time; None: by its processors")


class HighThroughput(_Part):
    """Workers in the blocks of a provider, which share the file system and hopkin's environment."""

    kind: Literal["high-throughput"]
    provider: Annotated[Local | Slurm | Pbs | Kubernetes, Field(discriminator="kind")]
    workers_per_node: Workers | None = Field(default=None, description="jobs at a time on a node")
    cores_per_worker: PositiveFloat = Field(default=1, description="cores of a job")
    gpus_per_node: PositiveInt | None = Field(default=None, description="each worker is given one of them")
    address: str | None = Field(default=None, description="of this machine, as the nodes reach it")
    encrypted: bool = Field(default=True, description="CurveZMQ between here and the workers")

    def executor(self) -> "ParslExecutor":
        """Parsl's executor, started from the environment of this process where the nodes see that."""
        from parsl.executors import HighThroughputExecutor
        from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD

        beside = f"{Path(sys.executable).parent}/"
        there = "" if isinstance(self.provider, Kubernetes) else beside
        return HighThroughputExecutor(
            label="hopkin",
            provider=self.provider.provider(),
            launch_cmd=there + DEFAULT_LAUNCH_CMD,
            interchange_launch_cmd=[sys.executable, "-m", "hopkin.drivers.campaigns.interchange"],
            max_workers_per_node=self.workers_per_node,
            cores_per_worker=self.cores_per_worker,
            available_accelerators=self.gpus_per_node or (),
            address=self.address,
            encrypted=self.encrypted,
            heartbeat_period=_HEARTBEAT_S,
            heartbeat_threshold=_SILENT_S,
            block_error_handler=_give_up,
        )


Executor = Annotated[Threads | HighThroughput, Field(discriminator="kind")]


def load_executor(
    name: str, workers: int | None = None, default: int | None = None
) -> Threads | HighThroughput:
    """Read a file that describes an executor; `local` stands for threads on this machine.

    Parameters
    ----------
    workers
        jobs at a time, of `local` alone; None: the default

    Raises
    ------
    CampaignError
        when it is missing, no YAML, or describes none; one clause for each wrong field
    """
    if name == "local":
        return Threads(kind="threads", workers=workers or default)
    if workers is not None:
        raise CampaignError(f"--workers belongs to --executor local; {name} says how many itself")
    try:
        adapter: TypeAdapter[Threads | HighThroughput] = TypeAdapter(Executor)
        return adapter.validate_python(read_yaml(Path(name)))
    except ValidationError as error:
        raise CampaignError(f"{name}: {sentences(error)}") from error


def configuration(executor: Threads | HighThroughput, workers: int, folder: Path) -> "Config":
    """Parsl's configuration; its own files go into a folder."""
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    return Config(
        executors=[
            ThreadPoolExecutor(label="hopkin", max_threads=workers)
            if isinstance(executor, Threads)
            else executor.executor()
        ],
        strategy="none" if isinstance(executor, Threads) else "simple",
        retries=0 if isinstance(executor, Threads) else _BLOCKS,
        retry_handler=_cost_of_retry,
        run_dir=str(folder),
        initialize_logging=False,
    )


def _cost_of_retry(error: Exception, _: object) -> float:
    """Leave all to the campaign but a block that ended."""
    from parsl.executors.high_throughput.errors import ManagerLost

    return 1.0 if isinstance(error, ManagerLost) else math.inf


def _give_up(executor: Any, status: Mapping[str, Any]) -> None:
    """Fail all jobs where many blocks in a row have failed and none lives: Parsl itself does so after one."""
    from parsl.jobs.states import JobState

    last = [status[block].state for block in sorted(status, key=int)[-_FAILED_BLOCKS:]]
    if len(last) == _FAILED_BLOCKS and set(last) <= {JobState.FAILED, JobState.MISSING}:
        executor.set_bad_state_and_fail_all(MachineError(f"the last {_FAILED_BLOCKS} blocks have failed"))


def take_share(worker: int, workers: int) -> None:
    """Keep this worker, a thread or a process, and its LAMMPS to their share of the processors.

    The share is a part of those of the process that workers belong to: of this one for a thread, of the
    parent for a process of Parsl's pool. Where there are more workers than processors, some share one.
    """
    threads = threading.current_thread() is not threading.main_thread()
    every = sorted(os.sched_getaffinity(os.getpid() if threads else os.getppid()))
    size = max(1, len(every) // workers)
    first = worker * size % (len(every) - len(every) % size)
    take_processors(every)  # evaluation services are for all workers
    os.sched_setaffinity(0, every[first : first + size])
