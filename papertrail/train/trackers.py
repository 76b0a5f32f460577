"""Live training curves for TensorBoard, DVCLive or Weights & Biases in build/logs; they are no outputs of a stage."""

import os
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from papertrail.core.errors import MachineError

LOGS = Path("build/logs")
WANDB = "wandb==0.31.0"  # optional, so it is not in requirements.txt


class Memory(TrainerCallback):
    """Add peak memory to the logs of trackers; the history that becomes metrics does not have it."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Add to the logs; the Trainer calls this before the trackers, with a copy of the entry in its history."""
        if logs is not None:
            logs["peak_memory_mib"] = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            if torch.cuda.is_available():
                logs["peak_gpu_memory_mib"] = float(torch.cuda.max_memory_allocated() // 2**20)


def tracker_callbacks(name: str, trackers: Sequence[str]) -> list[TrainerCallback]:
    """Return the callback of each tracker, which writes to LOGS/<tracker>/<name>.

    Raises:
        MachineError: Weights & Biases is not installed.
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
    """Return the callback of Weights & Biases, offline unless WANDB_MODE is set; `wandb sync` uploads logs later."""
    try:
        import wandb
    except ImportError:
        raise MachineError(f"params.yaml: trackers: wandb is not installed; pip install {WANDB}") from None
    from transformers.integrations.integration_utils import WandbCallback

    folder = LOGS / "wandb" / name
    folder.mkdir(parents=True, exist_ok=True)  # otherwise wandb writes to a temporary folder
    wandb.init(
        project="papertrail",
        name=name,
        dir=folder,
        mode=None if "WANDB_MODE" in os.environ else "offline",
        settings=wandb.Settings(console="off", disable_git=True, disable_code=True, silent=True),
    )
    return WandbCallback()  # type: ignore[no-untyped-call]
