"""What is printed for one principal: from the store through access to the sheets.

Maps and boards are drawn from the views that `service.maps.community.draw` makes, and from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from layers.paper.fonts import NoFont, find_font
from layers.paper.imprint import Duty, Imprint, role_words
from layers.view import CommunityView
from partition.texts import LANGUAGES, catalogue
from service.access import Principal, access, may_see_phone
from service.faults import UnknownError
from service.maps.community import draw, introduce, one_state
from service.operating import OperatingError
from service.registry import COLLECTIONS
from service.store import figures
from service.store.communities import find_community
from service.store.errors import NotFoundError
from service.store.plans import read_plan, select_plan
from service.store.staff import Person, Post, select_posts, slots
from service.store.tiers import select_plan_areas

if TYPE_CHECKING:
    from collections.abc import Callable

    from layers.paper.document import Document, Sheet
    from layers.paper.overview import Office
    from service.db import Database

    Tell = Callable[[str, float, int], None]


@dataclass(frozen=True)
class Target:
    """What was asked for: communities, and of the only one a single grid. office: a prefix of several."""

    divisions: tuple[str, ...]
    grid: str = ""
    office: str = ""


@dataclass(frozen=True)
class Order:
    """How it is printed.

    as_asked: the sheets were asked for; else of a single grid only its board is printed. plan: a plan that is
    not in force, in place of the published one. name: the street office's.
    """

    sheets: tuple[Sheet, ...]
    imprint: Imprint
    as_asked: bool = True
    font: Path | None = None
    plan: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Printed:
    """The files, their pages in all, whether boards are among them, communities without a plan in force,
    characters that the font lacks.
    """

    files: tuple[Path, ...]
    pages: int
    boards: bool
    left_out: tuple[str, ...]
    lacking: str


def print_sheets(
    database: Database, principal: Principal, asked: str, out: Path, order: Order, tell: Tell | None = None
) -> Printed:
    """Print what `asked` names (a grid, a community, the first digits of several) as `principal` sees it.

    `out` ending in .pdf is one file; else it is a folder with a file for each community, and one for all of
    them together. Each file is replaced when the new one is whole. Raises OperatingError, UnknownError.
    """
    font = _font(order.font)
    with one_state(database.app) as connection:
        introduce(connection, principal)
        with database.owner.connect() as owner:  # knows communities by the ids of their files, too
            known = _known_as(owner, asked)
        target = find_target(connection, principal, known or asked)
        if order.plan is not None and (target.grid or len(target.divisions) != 1):
            raise OperatingError("print-plan-community", plan=order.plan)
        if target.grid and not order.as_asked:
            order = replace(order, sheets=("boards",))
        printer = _Printer(connection, principal, order, font, tell)
        if out.suffix.lower() == ".pdf":
            return printer.one_file(target, out)
        return printer.folder(target, out)


def _known_as(owner: Connection, asked: str) -> str:
    """The code of the community that is called so; "" if none is."""
    try:
        return find_community(owner, asked)
    except NotFoundError:
        return ""


def find_target(connection: Connection, principal: Principal, asked: str) -> Target:
    """What `asked` names among what the principal may see: a community's code, a grid's, or the beginning of
    communities' codes. Raises OperatingError.
    """
    seen = figures.select_communities(connection, principal)
    if asked in {one.code for one in seen}:
        return Target((asked,))
    allowed = access(principal, COLLECTIONS["grids"])
    if allowed is not None:
        row = connection.execute(
            text(f"select t.division_code from grids t where {allowed.predicate} and t.code = :asked"),  # noqa: S608
            {**allowed.parameters, "asked": asked},
        ).first()
        if row is not None:
            return Target((row.division_code,), grid=asked)
    below = tuple(one.code for one in seen if asked and one.code.startswith(asked))
    if not below:
        known = ", ".join(f"{one.code} ({one.name})" if one.name else one.code for one in seen[:20])
        raise OperatingError("print-unknown", name=asked, known=known or "—")
    return Target(below, office=asked if len(below) > 1 else "")


def _font(wanted: Path | None) -> Path:
    try:
        import reportlab  # noqa: F401  # its absence is told before anything is drawn
    except ModuleNotFoundError:
        raise OperatingError("print-no-extra") from None
    try:
        return find_font(wanted)
    except NoFont as error:
        key = "print-font-unfit" if error.wanted else "print-no-font"
        raise OperatingError(key, font=error.wanted) from None


def _close(document: Document, file: Path) -> None:
    try:
        document.close()
    except OSError as error:  # the disk is full
        raise OperatingError("print-unwritten", path=file, reason=error.strerror) from None


def file_name(code: str, taken: Iterable[str] = ()) -> str:
    """A file's name for a community: its code, without what may lead elsewhere; none of `taken`."""
    plain = re.sub(r"[^\w.-]+", "_", code).strip(".")[:80] or "_"
    names = (f"{plain}{f'-{number}' if number else ''}.pdf" for number in count())
    return next(name for name in names if name not in set(taken))


@dataclass
class _Printer:
    connection: Connection
    principal: Principal
    order: Order
    font: Path
    tell: Tell | None = None

    def one_file(self, target: Target, out: Path) -> Printed:
        from data.plan_file import replacing
        from layers.paper.document import Document

        with replacing(out) as part:
            document: Document | None = None
            left_out: list[str] = []
            for view, imprint in self._views(target, left_out):
                if document is None:
                    document = Document(part, self.font, imprint, title=self._title(target, view))
                    if target.office and "map" in self.order.sheets:
                        document.overview(self._office(target, view))
                wanted = [target.grid] if target.grid else None
                document.community(view, self.order.sheets, wanted, imprint=imprint)
            if document is None:
                raise OperatingError("print-no-plan", communities=", ".join(target.divisions[:5]))
            _close(document, out)
        return Printed(
            (out,), document.pages, "boards" in self.order.sheets, tuple(left_out), document.lacking
        )

    def folder(self, target: Target, out: Path) -> Printed:
        from data.plan_file import replacing
        from layers.paper.document import Document

        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatingError("print-unwritten", path=out, reason=error.strerror) from None
        files, left_out, pages, lacking = list[Path](), list[str](), 0, set[str]()
        for view, imprint in self._views(target, left_out):
            documents = [(str(view.community["code"].iloc[0]), False)]
            if not files and target.office and "map" in self.order.sheets:
                documents.insert(0, (target.office, True))
            for name, office in documents:
                file = out / file_name(target.grid or name, (path.name for path in files))
                with replacing(file) as part:
                    document = Document(part, self.font, imprint, title=self._title(target, view))
                    if office:
                        document.overview(self._office(target, view))
                    else:
                        wanted = [target.grid] if target.grid else None
                        document.community(view, self.order.sheets, wanted, imprint=imprint)
                    _close(document, file)
                files.append(file)
                pages += document.pages
                lacking |= set(document.lacking)
        if not files:
            raise OperatingError("print-no-plan", communities=", ".join(target.divisions[:5]))
        boards = "boards" in self.order.sheets
        return Printed(tuple(files), pages, boards, tuple(left_out), "".join(sorted(lacking)))

    def _title(self, target: Target, view: CommunityView) -> str:
        if target.office:
            return self.order.name or target.office
        return str(view.community["name"].iloc[0] or view.community["code"].iloc[0])

    def _views(self, target: Target, left_out: list[str]) -> Iterator[tuple[CommunityView, Imprint]]:
        """Each community with a plan to print, one after the other; the others' codes go to `left_out`."""
        for number, division in enumerate(target.divisions):
            if self.tell:
                self.tell("print", number / len(target.divisions), len(target.divisions))
            view = draw(self.connection, self.principal, division, heat=False).view
            duties = select_duties(self.connection, self.principal, division)
            author = self.order.imprint.author
            if self.order.plan is not None:
                view, author = self._of_plan(view, division, author)
                duties = {}
            if view.grids.empty:
                left_out.append(division)
                continue
            yield view, replace(self.order.imprint, author=author or self._author(view), duties=duties)

    def _author(self, view: CommunityView) -> str:
        """Who made the plan in force, as the API tells it."""
        row = select_plan(self.connection, self.principal, int(view.version)) if view.version else None
        return "" if row is None else str(row["author"] or "")

    def _of_plan(self, view: CommunityView, division: str, author: str) -> tuple[CommunityView, str]:
        """The view with the grids of a draft in place of those in force, and nobody assigned to them yet."""
        plan = self.order.plan or 0
        row = select_plan(self.connection, self.principal, plan)
        if row is None or row["division_code"] != division:
            raise OperatingError("print-plan-unknown", plan=plan, community=division)
        if row["status"] in ("published", "archived"):
            raise OperatingError("print-plan-closed", plan=plan)
        grids = read_plan(self.connection, plan).grids.to_crs(4326)
        grids["staff"] = [[] for _ in range(len(grids))]
        areas = select_plan_areas(self.connection, plan)
        drawn = replace(view, grids=grids, version=str(plan), published="", in_range=None, areas=areas)
        return replace(drawn, size_range=None, size_words={}), author or str(row["author"] or "")

    def _office(self, target: Target, view: CommunityView) -> Office:
        """The communities of the target with a plan in force, and the outlines of their grids."""
        import geopandas as gpd
        import pandas as pd

        from layers.paper.overview import Office

        told = {one.code: one for one in figures.select_communities(self.connection, self.principal)}
        outlines, grids = [], []
        for division in target.divisions:
            if not told[division].grids:
                continue
            frames = {}
            for name in ("communities", "grids"):
                allowed = access(self.principal, COLLECTIONS[name])
                if allowed is None:
                    raise UnknownError("community", code=division[:60])
                frames[name] = figures.select_frame(self.connection, COLLECTIONS[name], allowed, division)
            outlines.append(frames["communities"][["code", "name", "geometry"]])
            grids.append(frames["grids"][["code", "geometry"]])
        communities = gpd.GeoDataFrame(pd.concat(outlines, ignore_index=True), crs=4326)
        communities["grids"] = [told[code].grids for code in communities["code"]]
        communities["households"] = pd.array(
            [told[code].households for code in communities["code"]], dtype="Int64"
        ).astype(object)
        all_grids = gpd.GeoDataFrame(pd.concat(grids, ignore_index=True), crs=4326)
        plain = replace(view, version="", published="")
        return Office(target.office, self.order.name, communities, all_grids, plain)


# --- who answers for what ---


def select_duties(
    connection: Connection, principal: Principal, division: str
) -> Mapping[str, Sequence[Duty]]:
    """Who answers for each grid of a community, vacancies included, and for the community, by code."""
    found = {}
    for post in select_posts(connection, principal, division):
        if post.division == division:
            found[post.code] = list(_duties(post, phones=may_see_phone(principal)))
    return found


def _duties(post: Post, *, phones: bool) -> Iterator[Duty]:
    held: set[int] = set()
    for slot in (slot for slot in slots() if slot.tier == post.tier):
        words = {"zh": slot.zh, "en": slot.en[:1].upper() + slot.en[1:]}
        for person in post.filled(slot):
            held.add(id(person))
            yield _duty(person, words, phones=phones)
        for _ in range(post.vacancies(slot)):
            yield Duty(words, "")
    for person in post.people:
        if id(person) not in held:
            yield _duty(person, dict.fromkeys(LANGUAGES, person.role), phones=phones)


def _duty(person: Person, slot: Mapping[str, str], *, phones: bool) -> Duty:
    rank, words = role_words(person.role)
    if rank == len([key for key in catalogue("layers") if key.startswith("staff.")]):
        words = {"zh": person.role, "en": slot["en"]}
    return Duty(words, person.name.strip(), person.phone.strip() if phones else "")


def default_role(sheets: Sequence[Sheet], plan: int | None) -> str:
    """As whom a sheet is printed where nobody says: boards carry work phones, drafts are a planner's."""
    if plan is not None:
        return "planner"
    return "consumer" if "boards" in sheets else "public"
