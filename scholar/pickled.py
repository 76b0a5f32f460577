"""pytorch_model.bin, the older file of weights: a pickle, which can hold code; made into safetensors, which cannot."""

import struct
from errno import EINVAL
from pathlib import Path
from pickle import UnpicklingError

from scholar.errors import SourceError, full_disk_told


def convert_pickled(file: Path, folder: Path) -> None:
    """Write the tensors of the file as model.safetensors, under the same names; nothing in it is run.

    Raises:
        SourceError: it holds anything but named tensors, or cannot be read.
    """
    import torch  # seconds that other sources need not wait
    from safetensors.torch import save_file

    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except (
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
    ) as error:
        if isinstance(error, OSError) and error.errno != EINVAL:  # which torch tells of a file that was cut off
            raise
        told = f"{type(error).__name__}: {error}".partition("\n")[0].partition(". ")[0]  # then: how to run it after all
        raise SourceError(f"{file.name}: no file of weights alone, it may hold code: {told[:120]}") from None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        for name, tensor in weights.items()
    ):
        raise SourceError(f"{file.name}: named dense tensors were expected, got something else; no file of weights")
    apart = {name: tensor.contiguous().clone() for name, tensor in weights.items()}  # tied ones share their memory
    with full_disk_told(folder):
        save_file(apart, folder / "model.safetensors", {"format": "pt"})
