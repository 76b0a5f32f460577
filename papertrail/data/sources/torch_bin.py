"""pytorch_model.bin, the older format of weights: a pickle, which can contain code; converted to safetensors."""

import struct
from errno import EINVAL
from pathlib import Path
from pickle import UnpicklingError

from papertrail.core.errors import SourceError, report_full_disk

DAMAGED = (  # what torch.load raises for a file that is not one of weights
    UnpicklingError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    AttributeError,
    IndexError,
    OSError,
    AssertionError,
    struct.error,
)


def convert_pickled(file: Path, folder: Path) -> None:
    """Write the tensors of a file as model.safetensors, under the same names; no code in it is run.

    Raises:
        SourceError: The file contains anything but named dense tensors, or is damaged.
    """
    import torch  # a slow import that other sources avoid
    from safetensors.torch import save_file

    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno != EINVAL:  # which torch raises for a truncated file
            raise
        # the first sentence only: the next ones explain how to run the code after all
        reason = f"{type(error).__name__}: {error}".partition("\n")[0].partition(". ")[0]
        raise SourceError(f"{file.name}: not a file of weights only, it may contain code: {reason[:120]}") from None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        for name, tensor in weights.items()
    ):
        raise SourceError(f"{file.name}: expected named dense tensors, got something else; not a file of weights")
    separate = {name: tensor.contiguous().clone() for name, tensor in weights.items()}  # tied tensors share memory
    with report_full_disk(folder):
        save_file(separate, folder / "model.safetensors", {"format": "pt"})
