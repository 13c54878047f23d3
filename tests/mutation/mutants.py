"""Draw a seeded sample of mutants from the modules of one package, with mutmut's operators."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations

_BOUNDS = (cst.LessThan, cst.LessThanEqual, cst.GreaterThan, cst.GreaterThanEqual)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function; `first` and `last` are the lines of the changed expression, `around` those of the function,
    all counted from 1.
    """

    path: str
    function: str
    first: int
    last: int
    around: tuple[int, int]
    before: str
    after: str
    boundary: bool
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names the mutant as long as its expression stays, whatever happens to the lines around it."""
        return self.path, self.function, self.before, self.after


@dataclass(frozen=True, slots=True)
class _Place:
    """An expression, and what one kind of operator can make of it."""

    path: str
    module: cst.Module
    first: int
    last: int
    around: tuple[int, int]
    mutations: list[Mutation]

    @property
    def boundary(self) -> bool:
        node = self.mutations[0].original_node
        return isinstance(node, cst.ComparisonTarget) and isinstance(node.operator, _BOUNDS)

    def mutant(self, chosen: Mutation) -> Mutant:
        function = chosen.contained_by_top_level_function
        return Mutant(
            path=self.path,
            function=function.name.value if function else "",
            first=self.first,
            last=self.last,
            around=self.around,
            before=self.module.code_for_node(chosen.original_node).strip(),
            after=self.module.code_for_node(chosen.mutated_node).strip(),
            boundary=self.boundary,
            source=self.module.deep_replace(chosen.original_node, chosen.mutated_node).code,
        )


def sample(paths: Iterable[Path], *, root: Path, size: int, boundaries: int, seed: str) -> list[Mutant]:
    """`size` mutants of any kind, then moved comparisons until there are `boundaries`, from places drawn without preference.

    A place gives at most one mutant: a call with ten arguments does not outweigh ten comparisons. Texts are not mutated:
    a test that repeats a sentence proves nothing.
    """
    places = [place for path in sorted(paths) for place in _places(path, root)]
    # A seed is not a secret; the same sample can be drawn again tomorrow.
    draw = random.Random(seed)
    draw.shuffle(places)
    missing = boundaries - sum(place.boundary for place in places[:size])
    chosen = places[:size] + [place for place in places[size:] if place.boundary][: max(0, missing)]
    return [place.mutant(draw.choice(place.mutations)) for place in chosen]


def _places(path: Path, root: Path) -> list[_Place]:
    name = path.relative_to(root).as_posix()
    module, mutations, *_ = create_mutations(name, path.read_text(encoding="utf-8"))
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    places: dict[int, _Place] = {}
    for mutation in mutations:
        node = mutation.original_node
        function = mutation.contained_by_top_level_function
        if not isinstance(function, cst.FunctionDef) or isinstance(node, cst.BaseString) or node not in positions:
            continue
        at, whole = positions[node], positions[function]
        around = (whole.start.line, whole.end.line)
        place = places.setdefault(id(node), _Place(name, module, at.start.line, at.end.line, around, []))
        place.mutations.append(mutation)
    return list(places.values())
