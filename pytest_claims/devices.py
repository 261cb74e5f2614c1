"""Which device a run uses: checked where it is named."""

import torch


class DeviceError(Exception):
    """A device that is unknown or not there; says what is."""


def available() -> list[str]:
    """Names of the devices of this machine, the fastest last."""
    names = ["cpu"]
    if torch.backends.mps.is_available():
        names.append("mps")
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return names


def resolve(name: str) -> torch.device:
    """The device of a name: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for the fastest there is.

    Raises:
        DeviceError: Unknown name, or a device that this machine does not have.
    """
    there = available()
    if name == "auto":
        return torch.device(there[-1])
    known = f"this machine has {', '.join(there)}; auto takes the fastest"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"--device {name}: unknown; {known}") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"--device {name}: not supported; {known}")
    wanted = f"cuda:{device.index or 0}" if device.type == "cuda" else device.type
    if wanted not in there:
        raise DeviceError(f"--device {name}: not there; {known}")
    return device
