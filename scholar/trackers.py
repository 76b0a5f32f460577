"""Curves of a running training for TensorBoard or DVCLive, in build/logs: never among the tracked outputs."""

from collections.abc import Sequence
from pathlib import Path

from transformers import TrainerCallback

LOGS = Path("build/logs")


def tracker_callbacks(name: str, trackers: Sequence[str]) -> list[TrainerCallback]:
    """The library's callback of each tracker, writing to LOGS/<tracker>/<name>; loaded only when asked for."""
    callbacks: list[TrainerCallback] = []
    if "tensorboard" in trackers:
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations.integration_utils import TensorBoardCallback

        callbacks.append(TensorBoardCallback(SummaryWriter(LOGS / "tensorboard" / name)))  # type: ignore[no-untyped-call]
    if "dvclive" in trackers:
        from dvclive.live import Live
        from transformers.integrations.integration_utils import DVCLiveCallback

        live = Live(str(LOGS / "dvclive" / name), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False)
        callbacks.append(DVCLiveCallback(live))
    return callbacks
