"""Curves of a running training for TensorBoard, DVCLive or Weights & Biases, in build/logs: never among the outputs."""

import os
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from scholar.errors import MachineError

LOGS = Path("build/logs")
WANDB = "wandb==0.31.0"  # not among the requirements: most will not want it


class Memory(TrainerCallback):
    """Adds the peak of memory so far to what trackers are told; the history that becomes metrics has it not."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Called by the Trainer before the trackers, with a dict that it has copied to its history already."""
        if logs is not None:
            logs["peak_memory_mib"] = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            if torch.cuda.is_available():
                logs["peak_gpu_memory_mib"] = float(torch.cuda.max_memory_allocated() // 2**20)


def tracker_callbacks(name: str, trackers: Sequence[str]) -> list[TrainerCallback]:
    """The library's callback of each tracker, writing to LOGS/<tracker>/<name>; loaded only when asked for.

    Raises:
        MachineError: Weights & Biases is asked for and not installed.
    """
    callbacks: list[TrainerCallback] = [Memory()] if trackers else []
    if "tensorboard" in trackers:
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations.integration_utils import TensorBoardCallback

        callbacks.append(TensorBoardCallback(SummaryWriter(LOGS / "tensorboard" / name)))  # type: ignore[no-untyped-call]
    if "dvclive" in trackers:
        from dvclive.live import Live
        from transformers.integrations.integration_utils import DVCLiveCallback

        live = Live(str(LOGS / "dvclive" / name), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
        callbacks.append(DVCLiveCallback(live))
    if "wandb" in trackers:
        callbacks.append(_wandb_callback(name))
    return callbacks


def _wandb_callback(name: str) -> TrainerCallback:
    """Weights & Biases, on this machine alone unless the user has set WANDB_MODE; `wandb sync` sends it later."""
    try:
        import wandb
    except ImportError:
        raise MachineError(f"params.yaml: trackers: wandb is not installed; pip install {WANDB}") from None
    from transformers.integrations.integration_utils import WandbCallback

    folder = LOGS / "wandb" / name
    folder.mkdir(parents=True, exist_ok=True)  # else it writes to a folder for temporary files
    wandb.init(
        project="papertrail",
        name=name,
        dir=folder,
        mode=None if "WANDB_MODE" in os.environ else "offline",
        settings=wandb.Settings(console="off", disable_git=True, disable_code=True, silent=True),
    )
    return WandbCallback()  # type: ignore[no-untyped-call]
