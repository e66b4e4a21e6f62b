"""Names and colours of what a scene's polygons can be: classes of both dates, and kinds of change."""

from __future__ import annotations

from dataclasses import dataclass

from schanger_mm.geo.errors import SceneError
from schanger_mm.scene.block import name_of
from schanger_mm.scene.class_maps import class_colours, classes_of

BUILDING = 'building'
KINDS = ('new', 'demolished', 'replaced', 'altered', 'other')
"""Kinds of change of a class; ``other``: the class is on neither side."""
KIND_COLOURS = dict(new=(230, 60, 60), demolished=(45, 110, 215), replaced=(160, 70, 190), altered=(240, 160, 30),
                    other=(110, 120, 130))

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Legend:
    """The classes of a network.

    Args:
        classes: their names.
        kinds_of: name of the class whose changes are new, demolished, replaced or altered; None: no kinds.
    """

    classes: tuple[str, ...]
    kinds_of: str | None

    @classmethod
    def of(cls, model: object, kinds_of: str | None = None) -> Legend | None:
        """Return the legend of a network, None if it predicts change only.

        Args:
            model: the network.
            kinds_of: the user's choice; None: building, in any case of letters, if there is such a class.

        Raises:
            SceneError: there is no such class, or no class at all.
        """
        names = classes_of(model)
        if not names:
            if kinds_of is not None:
                raise SceneError(f'--kinds-of {kinds_of}: {name_of(model)} predicts change only; '  # type: ignore[arg-type]
                                 'name a segmentation network of single images with --semantic.')
            return None
        wanted = BUILDING if kinds_of is None else kinds_of
        found = [name for name in names if name.lower() == wanted.lower()]
        if kinds_of is not None and not found:
            raise SceneError(f'--kinds-of {kinds_of}: expected one of the classes {", ".join(names)}.')
        return cls(names, found[0] if found else None)

    @property
    def index(self) -> int | None:
        """Return the place of the class with kinds, None without one."""
        return None if self.kinds_of is None else self.classes.index(self.kinds_of)

    @property
    def colours(self) -> list[Colour]:
        """Return a colour for each class."""
        return class_colours(self.classes)

    def groups(self) -> dict[str, Colour]:
        """Return what a person tells changes apart by, and the colours: the kinds, or what the ground became."""
        if self.kinds_of is not None:
            return dict(KIND_COLOURS)
        return dict(zip(self.classes, self.colours))

    @property
    def column(self) -> str:
        """Return the column of the polygons that holds the group of each."""
        return 'to' if self.kinds_of is None else 'kind'

    @property
    def counted(self) -> str:
        """Return the key of the summary's section ``polygons`` with count and area of each group."""
        return 'to' if self.kinds_of is None else 'kinds'
