"""The family of claims that share an error rate, and the manifest that fixes it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_claims.claim import Outcome, Statistical
from pytest_claims.family import Family, Manifest, ManifestError
from pytest_claims.statistics import LOOKS, PValues
from pytest_claims.store import Store
from tests.pytest_claims.toy import gain

NAN = float("nan")


def p(*supported: float) -> PValues:
    """Of the first looks; the others were not made."""
    values = np.array([*supported, *[NAN] * (len(LOOKS) - len(supported))])
    return PValues(values, 1 - values)


def family(*ids: str, **context: Any) -> Family:
    """Claims without parameters."""
    return Family.of({id_: {} for id_ in ids}, context=context)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.sqlite") as store:
        yield store


def test_family_key() -> None:
    """Another family for other claims, other parameters, another context."""
    base = Family.of({"Q1": {"delta": 0.0}}, context={"version": 1})
    others = [
        Family.of({"Q1": {"delta": 0.1}}, context={"version": 1}),
        Family.of({"Q1": {"delta": 0.0}}, context={"version": 2}),
        Family.of({"Q1": {"delta": 0.0}, "Q2": {}}, context={"version": 1}),
    ]
    assert len({base.key, *(other.key for other in others)}) == 4
    assert base.key == Family.of({"Q1": {"delta": 0.0}}, context={"version": 1}).key


def test_family_judge_by_hand() -> None:
    """Sequential P = 3 * 0.004 = 0.012; of 4 claims q = 0.012 * 4 / 1 = 0.048, which is enough; of 5 it is not."""
    one = {"Q1": p(0.004)}
    four, five = family("Q1", "Q2", "Q3", "Q4").judge(one), family("Q1", "Q2", "Q3", "Q4", "Q5").judge(one)
    assert four["Q1"].p_supported == pytest.approx(0.012)
    assert four["Q1"].q_supported == pytest.approx(0.048)
    assert four["Q1"].outcome is Outcome.SUPPORTED
    assert five["Q1"].q_supported == pytest.approx(0.060)
    assert five["Q1"].outcome is Outcome.INCONCLUSIVE


def test_family_judge_never_run() -> None:
    """A claim without p-values counts with P = 1 and is undecided."""
    decision = family("Q1", "Q2").judge({"Q1": p(0.001)})["Q2"]
    assert (decision.outcome, decision.p_supported, decision.p_refuted) == (Outcome.INCONCLUSIVE, 1.0, 1.0)


def test_family_judge_refuted() -> None:
    decision = family("Q1").judge({"Q1": p(0.999)})["Q1"]
    assert decision.outcome is Outcome.REFUTED
    assert set(decision.figures()) == {
        f"{kind}_{side}" for kind in ("p", "q", "holm") for side in ("supported", "refuted")
    }


def test_family_judge_empty() -> None:
    assert family().judge({}) == {}


def test_family_keep_and_kept(store: Store) -> None:
    """Looks made come back, others are NaN; a claim that this run selects counts with its own."""
    whole = family("Q1", "Q2", "Q3")
    whole.keep(store, {"Q1": p(0.01, 0.02), "Q2": p(0.5)})
    kept = whole.kept(store, besides={"Q2"})
    assert set(kept) == {"Q1"}
    np.testing.assert_array_equal(kept["Q1"].supported, [0.01, 0.02, NAN])
    np.testing.assert_allclose(kept["Q1"].refuted, [0.99, 0.98, NAN])


def test_family_kept_other_family(store: Store) -> None:
    """p-values under other parameters do not count."""
    family("Q1", "Q2", version=1).keep(store, {"Q1": p(0.01)})
    assert family("Q1", "Q2", version=2).kept(store, besides=()) == {}


pvalues = st.floats(1e-6, 1.0)


@given(st.lists(pvalues, min_size=1, max_size=8), st.data())
def test_family_selection_never_stronger(values: list[float], data: st.DataObject) -> None:
    """Whatever is left out, no p-value of what is judged gets smaller."""
    ids = [f"Q{i}" for i in range(len(values))]
    chosen = data.draw(st.sets(st.sampled_from(ids), min_size=1))
    everything = {id_: p(value) for id_, value in zip(ids, values, strict=True)}
    whole = family(*ids).judge(everything)
    part = family(*ids).judge({id_: everything[id_] for id_ in chosen})
    for id_ in chosen:
        assert part[id_].q_supported >= whole[id_].q_supported
        assert part[id_].q_refuted >= whole[id_].q_refuted
        if whole[id_].outcome is Outcome.INCONCLUSIVE:
            assert part[id_].outcome is Outcome.INCONCLUSIVE


# The manifest.


def claims(**changes: Any) -> list[tuple[str, Statistical]]:
    """Two modules, three claims; `changes` are made to the first."""
    return [("test_a", gain("Q1", **changes)), ("test_a", gain("Q2")), ("test_b", gain("Q3"))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest at version 1."""
    path = tmp_path / "manifest.json"
    Manifest(path).write(claims())
    return path


def test_manifest_write(path: Path) -> None:
    content = json.loads(path.read_text())
    assert content["version"] == 1
    assert list(content["claims"]) == ["Q1", "Q2", "Q3"]
    assert content["claims"]["Q3"]["module"] == "test_b"
    assert content["claims"]["Q1"]["unit"] == 0.005


def test_manifest_write_unchanged(path: Path) -> None:
    before = path.read_text()
    assert Manifest(path).write(claims()) == f"{path} is up to date at version 1"
    assert path.read_text() == before


def test_manifest_write_changed(path: Path) -> None:
    assert Manifest(path).write(claims(unit=0.01)) == f"{path} written, version 2"
    assert Manifest(path).version == 2


def test_manifest_check_equal(path: Path) -> None:
    """Also after a round trip through JSON, where tuples are lists."""
    Manifest(path).check(claims(), whole_modules=True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"by": 0.2}, "arms"),
        ({"delta": 0.01}, "test"),
        ({"unit": 0.01}, "unit"),
        ({"horizon": {"standard": 3}}, "horizon"),
        ({"diverged_value": 0.0}, "diverged_value"),
        ({"search": lambda runs: {}}, "search"),
    ],
)
def test_manifest_check_differs(path: Path, changes: dict[str, Any], name: str) -> None:
    with pytest.raises(ManifestError, match=rf"manifest.json: Q1 differs in {name}; .*--claims-write-manifest"):
        Manifest(path).check(claims(**changes), whole_modules=True)


def test_manifest_check_words(path: Path) -> None:
    """What cannot change a verdict may change: statements, places, notes."""
    Manifest(path).check(claims(statement="In other words.", notes="More of them."), whole_modules=True)


def test_manifest_check_new(path: Path) -> None:
    with pytest.raises(ManifestError, match="claim Q4 is not in it"):
        Manifest(path).check([*claims(), ("test_b", gain("Q4"))], whole_modules=True)


def test_manifest_check_moved(path: Path) -> None:
    with pytest.raises(ManifestError, match="Q3 differs in module"):
        Manifest(path).check([*claims()[:2], ("test_a", gain("Q3"))], whole_modules=True)


def test_manifest_check_gone(path: Path) -> None:
    """A claim that is missing from a module that was collected whole."""
    with pytest.raises(ManifestError, match="claim Q2 is in it and not in the code"):
        Manifest(path).check(claims()[:1], whole_modules=True)
    Manifest(path).check(claims()[:1], whole_modules=False)


def test_manifest_check_module_left_out(path: Path) -> None:
    """Claims of a module that was not collected are not gone while its file is there."""
    path.with_name("test_b.py").touch()
    Manifest(path).check(claims()[:2], whole_modules=True)
    path.with_name("test_b.py").unlink()
    with pytest.raises(ManifestError, match="claim Q3 is in it and not in the code"):
        Manifest(path).check(claims()[:2], whole_modules=True)


def test_manifest_write_module_left_out(path: Path) -> None:
    """Writing from a part of the modules keeps the claims of the others."""
    path.with_name("test_b.py").touch()
    assert Manifest(path).write(claims(unit=0.01)[:2]) == f"{path} written, version 2"
    assert set(Manifest(path).claims) == {"Q1", "Q2", "Q3"}


def test_manifest_write_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ManifestError, match=r"file.manifest.json: not written \(.*\); make"):
        Manifest(tmp_path / "file" / "manifest.json").write(claims())


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"version": "new", "claims": {}}', '{"version": 1, "claims": 3}', "null"]
)
def test_manifest_damaged(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ManifestError, match=r"manifest.json: not a manifest .* restore it from version control"):
        Manifest(path)


def test_manifest_members(path: Path) -> None:
    """Those that a scale judges."""
    manifest = Manifest(path)
    manifest.claims["Q1"]["horizon"] = {"full": 3}
    assert set(manifest.members("standard")) == {"Q2", "Q3"}
    assert set(manifest.members("full")) == {"Q1", "Q2", "Q3"}
