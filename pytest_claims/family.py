"""The claims that share one error rate: those of the manifest, whichever of them a run selects."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pytest_claims import statistics
from pytest_claims.claim import Outcome, Statistical
from pytest_claims.statistics import LOOKS, PValues
from pytest_claims.store import Store
from pytest_claims.trial import Json, digest

MANIFEST = "manifest.json"
"""Its name, where no other is given."""


class ManifestError(Exception):
    """The code and the manifest disagree: what differs, and the way out."""


class Decision(NamedTuple):
    """One claim's part of `statistics.Decisions`."""

    outcome: Outcome
    look: int
    p_supported: float
    p_refuted: float
    q_supported: float
    q_refuted: float
    holm_supported: float
    holm_refuted: float

    def figures(self) -> dict[str, float]:
        """The p-values by name."""
        return {name: float(value) for name, value in self._asdict().items() if name not in ("outcome", "look")}


OUTCOMES = {1: Outcome.SUPPORTED, -1: Outcome.REFUTED, 0: Outcome.INCONCLUSIVE}


@dataclass(frozen=True)
class Family:
    """Claims judged together.

    Attributes:
        claims: Ids of all of them. One that was never run counts with P = 1.
        key: Changes with every parameter of every claim, and with what is meant to change results.
    """

    claims: tuple[str, ...]
    key: str

    @classmethod
    def of(cls, members: Mapping[str, Json], *, context: Json) -> "Family":
        """The family of claims with these parameters; `context` says under what their trials ran."""
        return cls(tuple(members), digest({"members": members, "context": context})[:16])

    def kept(self, store: Store, *, besides: Collection[str]) -> dict[str, PValues]:
        """Single-look p-values that earlier runs kept for the claims that this run does not select."""
        rows = store.looks(self.key)
        kept = {}
        for claim in self.claims:
            if claim not in besides and any((claim, look) in rows for look in LOOKS):
                supported, refuted = zip(*(rows.get((claim, look), (np.nan, np.nan)) for look in LOOKS), strict=True)
                kept[claim] = PValues(np.array(supported), np.array(refuted))
        return kept

    def keep(self, store: Store, pvalues: Mapping[str, PValues]) -> None:
        """Store the p-values of the looks that were made."""
        for claim, p in pvalues.items():
            for look, supported, refuted in zip(LOOKS, p.supported, p.refuted, strict=True):
                if not np.isnan(supported):
                    store.put_look(self.key, claim, look, supported=float(supported), refuted=float(refuted))

    def judge(self, pvalues: Mapping[str, PValues]) -> dict[str, Decision]:
        """Decide all claims together, from single-look p-values of shape `(3,)`, NaN for a look not made."""
        if not self.claims:
            return {}
        never = np.full(len(LOOKS), np.nan)
        rows = [pvalues.get(claim, PValues(never, never)) for claim in self.claims]
        d = statistics.judge(np.stack([p.supported for p in rows]), np.stack([p.refuted for p in rows]))
        return {
            claim: Decision(OUTCOMES[int(d.verdict[i])], int(d.look[i]), *(float(column[i]) for column in d[2:]))
            for i, claim in enumerate(self.claims)
        }


class Manifest:
    """The committed list of statistical claims with everything fixed before the first run.

    A file of JSON: a version, raised whenever anything in it changes, and the claims' parameters by id, each with the
    module that declares it. Under a new version all claims are judged again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content: Json = json.loads(path.read_text()) if path.exists() else {"version": 0, "claims": {}}
            self.version: int = int(content["version"])
            self.claims: dict[str, Json] = dict(content["claims"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"{path}: not a manifest ({error}); restore it from version control") from error

    @staticmethod
    def describe(claims: Iterable[tuple[str, Statistical]]) -> dict[str, Json]:
        """Parameters by id of (module, claim) pairs."""
        described = {claim.id: {"module": module} | claim.parameters() for module, claim in claims}
        return dict(sorted(json.loads(json.dumps(described)).items()))

    def check(self, claims: Sequence[tuple[str, Statistical]], *, whole_modules: bool) -> None:
        """Compare the code with the manifest.

        Args:
            claims: (module, claim) of everything collected, before any deselection.
            whole_modules: Whether each module was collected whole, so that a claim missing from one is really gone.

        Raises:
            ManifestError: They differ.
        """
        described = self.describe(claims)
        for id_, fields in described.items():
            if id_ not in self.claims:
                raise ManifestError(self._differs(f"claim {id_} is not in it"))
            if fields != self.claims[id_]:
                names = [n for n in sorted({*fields, *self.claims[id_]}) if fields.get(n) != self.claims[id_].get(n)]
                raise ManifestError(self._differs(f"{id_} differs in {', '.join(names)}"))
        if whole_modules and (gone := [id_ for id_ in self.claims if id_ not in self._with_others(described)]):
            raise ManifestError(self._differs(f"claim {gone[0]} is in it and not in the code"))

    def _with_others(self, described: Mapping[str, Json]) -> dict[str, Json]:
        """Described claims, and the manifest's of modules that were not collected and still exist."""
        collected = {fields["module"] for fields in described.values()}
        others = {
            id_: fields
            for id_, fields in self.claims.items()
            if fields["module"] not in collected and self.path.with_name(f"{fields['module']}.py").exists()
        }
        return dict(sorted({**others, **described}.items()))

    def _differs(self, what: str) -> str:
        return (
            f"{self.path}: {what}; what is judged is fixed before a run. If the change is meant, write a new version "
            "with --claims-write-manifest, under which all claims are judged again"
        )

    def write(self, claims: Sequence[tuple[str, Statistical]]) -> str:
        """Write a new version if anything changed; what was done, in one line.

        Raises:
            ManifestError: The file cannot be written.
        """
        described = self._with_others(self.describe(claims))
        if described == self.claims:
            return f"{self.path} is up to date at version {self.version}"
        self.version, self.claims = self.version + 1, described
        text = json.dumps({"version": self.version, "claims": described}, indent=1, ensure_ascii=False)
        try:
            self.path.write_text(text + "\n")
        except OSError as error:
            raise ManifestError(f"{self.path}: not written ({error.strerror}); make its folder writable") from error
        return f"{self.path} written, version {self.version}"

    def members(self, scale: str) -> dict[str, Json]:
        """The claims judged at a scale."""
        return {id_: fields for id_, fields in self.claims.items() if scale in fields["horizon"]}
