"""pyproject.toml, tox.ini, the workflows and the README agree on versions, and every step of a workflow runs here."""

import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pytest_claims.report import read_allowed

from .bounds import PROJECT, ROOT, bounds, lowest, requirements

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MATRIX = "py3{11,12,13,14}-torch{29,211,214,newest,pre}{,-cuda}"
NAMED = {"newest", "pre"}
"""Factors that do not pin."""


def tox() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    return parser


def pins() -> dict[str, dict[str, str]]:
    """By factor of the matrix, version by name."""
    found: dict[str, dict[str, str]] = {}
    for factor, name, version in re.findall(r"^torch(\w+): (\w+)==([\d.]+)$", tox()[f"testenv:{MATRIX}"]["deps"], re.M):
        found.setdefault(factor, {})[name] = version
    return found


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(
        (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
    )
    return loaded


def steps() -> Iterator[str]:
    """What every `run` step of every workflow says."""
    for path in WORKFLOWS:
        for job in workflow(path.stem)["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)


def environments() -> set[str]:
    """All that tox.ini names, and those of the matrix for Python 3.11."""
    named = {name.removeprefix("testenv:") for name in tox().sections() if name.startswith("testenv:")} - {MATRIX}
    factors = re.findall(r"\w+", re.findall(r"torch\{(.*?)\}", MATRIX)[0])
    return named | {f"py311-torch{factor}{cuda}" for factor in factors for cuda in ("", "-cuda")}


def test_matrix_pins_a_pair_that_the_package_admits() -> None:
    factors = set(re.findall(r"\w+", re.findall(r"torch\{(.*?)\}", MATRIX)[0])) - NAMED
    assert set(pins()) == factors
    for factor, pair in pins().items():
        assert set(pair) == {"torch", "torchvision"}
        for name, version in pair.items():
            assert version in requirements()[name].specifier, (factor, name)
        torch, vision = (Version(pair[name]) for name in ("torch", "torchvision"))
        assert f"{torch.major}{torch.minor}" == factor
        assert vision.minor == torch.minor + 15  # as they are released


def test_matrix_begins_at_the_lower_bound() -> None:
    for name in ("torch", "torchvision"):
        least = min(Version(pair[name]) for pair in pins().values())
        assert Version(bounds(requirements()[name])[">="]).release[:2] == least.release[:2]


def test_every_requirement_has_a_lower_bound() -> None:
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lowest())
    assert f"torch=={bounds(requirements()['torch'])['>=']}" in lowest()


def pythons() -> list[str]:
    """Of the classifiers."""
    return re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))


def test_pythons() -> None:
    assert pythons() == workflow("ci")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert [f"3.{minor}" for minor in re.findall(r"\d+", MATRIX.split("-", maxsplit=1)[0])[1:]] == pythons()
    assert all(python in SpecifierSet(PROJECT["requires-python"]) for python in pythons())


def test_nightly_runs_the_whole_matrix() -> None:
    jobs = workflow("nightly")["jobs"]
    assert {*jobs["versions"]["strategy"]["matrix"]["torch"], "pre"} == set(pins()) | NAMED
    assert any("py311-torchpre " in step["run"] for step in jobs["prerelease"]["steps"] if "run" in step)


def test_readme_names_the_bounds() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    found = bounds(requirements()["torch"])
    assert f"torch {found['>=']} up to, not including, {found['<']}" in readme
    assert f"Python {pythons()[0]} to {pythons()[-1]}" in readme


@pytest.mark.parametrize("step", sorted(set(steps())))
def test_step_is_one_line_that_runs_here(step: str) -> None:
    """A script of the repository, and of tox an env that tox.ini has."""
    line = re.sub(r"\$\{\{ matrix\.\w+ \}\}", "*", step)
    assert "\n" not in line.strip()
    assert "${{" not in line
    shell, script, *arguments = line.split()
    assert shell == "bash"
    assert (ROOT / script).is_file()
    assert Path(script).parent == Path(".ci")
    if script in (".ci/tox", ".ci/judge"):
        pattern = re.escape(arguments[0]).replace(r"\*", r"\w+")
        assert [name for name in environments() if re.fullmatch(pattern, name)]


def test_what_the_gate_needs_is_of_the_package() -> None:
    assert {*tox()["testenv:evidence"]["deps"].split()} <= requirements().keys()


@pytest.mark.parametrize("job", ["versions", "fashion", "prerelease", "cuda", "full"])
def test_every_run_of_the_nightly_has_its_gate_and_is_uploaded(job: str) -> None:
    found = workflow("nightly")["jobs"][job]
    (gate,) = (step for step in found["steps"] if step.get("run", "").startswith("bash .ci/gate "))
    (upload,) = (step for step in found["steps"] if "upload-artifact" in step.get("uses", ""))
    assert gate["if"] == upload["if"] == "always()"
    baseline = gate["run"].split()[-1]
    assert gate["run"] == f"bash .ci/gate {upload['with']['path']} {baseline}"
    assert (ROOT / baseline / "evidence.json").is_file()


def test_weekly_run_is_judged_although_a_shard_failed_and_not_without_shards() -> None:
    full = workflow("nightly")["jobs"]["full"]
    assert full["if"] == "${{ !cancelled() && needs.shards.result != 'skipped' }}"


def test_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == PROJECT["version"]
    assert cited["license"] == PROJECT["license"]


def test_every_shell_script_is_checked() -> None:
    named = set(tox()["testenv:workflows"]["commands"].split())
    scripts = {f".ci/{path.name}" for path in (ROOT / ".ci").iterdir() if path.is_file()}
    assert scripts <= named


def test_accepted_changes_can_be_read() -> None:
    """Each file is of a run of the nightly."""
    uploaded = {
        Path(step["with"]["path"].replace("${{ matrix.torch }}", torch)).name
        for job in workflow("nightly")["jobs"].values()
        for step in job["steps"]
        if "path" in step.get("with", {})
        for torch in job.get("strategy", {}).get("matrix", {}).get("torch", [""])
    }
    for path in (ROOT / ".ci" / "allowed").glob("*"):
        assert path.name in uploaded
        assert read_allowed(path)


def test_ci_names_envs_that_there_are() -> None:
    assert set(workflow("ci")["jobs"]["check"]["strategy"]["matrix"]["env"]) <= environments()


def test_least_that_a_workflow_may_do() -> None:
    """Nothing but reading, unless a job says so; every job ends in time."""
    for path in WORKFLOWS:
        found = workflow(path.stem)
        assert found["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] for job in found["jobs"].values())
        writes = [name for name, job in found["jobs"].items() if "permissions" in job]
        assert writes in ([], ["docs"], ["site"])
