"""Devices by name. What a machine has differs; what is not there is refused everywhere."""

import re

import pytest
import torch

from pytest_claims.devices import DeviceError, available, resolve


def test_available() -> None:
    """The processor is always there, and all that is named can be had."""
    there = available()
    assert there[0] == "cpu"
    assert [str(resolve(name)) for name in there] == there


def test_resolve_cpu() -> None:
    assert resolve("cpu") == torch.device("cpu")


def test_resolve_auto() -> None:
    assert str(resolve("auto")) == available()[-1]


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cpu cpu", "CPU"])
def test_resolve_unknown(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"--device {re.escape(name)}: unknown; this machine has cpu"):
        resolve(name)


@pytest.mark.parametrize("name", ["meta", "xpu", "xla"])
def test_resolve_not_supported(name: str) -> None:
    with pytest.raises(DeviceError, match=f"--device {name}: not supported; this machine has .*auto takes the fastest"):
        resolve(name)


def test_resolve_not_there() -> None:
    beyond = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(DeviceError, match=f"--device {beyond}: not there; this machine has cpu"):
        resolve(beyond)


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_resolve_type(name: str) -> None:
    """A type without an index is there or refused, as `available` says."""
    if any(device.startswith(name) for device in available()):
        assert resolve(name).type == name
    else:
        with pytest.raises(DeviceError, match=f"--device {name}: not there"):
            resolve(name)


@pytest.mark.parametrize("name", ["cpu:0", "cpu:5"])
def test_resolve_cpu_index(name: str) -> None:
    """There is one processor; an index of it means nothing to torch."""
    assert resolve(name).type == "cpu"
