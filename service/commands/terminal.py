"""What a person sees at the terminal: steps, tables and findings, in their language; errors with the right
exit code.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import typer

from service.settings import Settings

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from partition.findings import Finding
    from partition.texts import Language

STYLES = {"refused": "bold red", "violated": "yellow", "repaired": "cyan", "noted": "dim"}


class Steps:
    """A progress line: what is being done, how far it is, how long it took so far."""

    def __init__(self, term: Terminal, bar: Bar) -> None:
        self._term, self._bar = term, bar
        self._task = bar.add_task("", total=None)
        self._begun: tuple[str, float] | None = None
        self.seconds: dict[str, float] = {}

    def step(self, name: str) -> None:
        """Begin a step whose length is not known."""
        self._note(name)
        self._bar.update(self._task, description=self._term.text(f"step.{name}"), total=None, completed=0)

    def tell(self, name: str, share: float, of: int = 1) -> None:
        """A step has come this far (0 … 1); `of`: how many communities that is a share of."""
        self._note(name)
        done = f" {round(share * of)}/{of}" if of > 1 and share else ""
        what = self._term.text(f"step.{name}") + done
        self._bar.update(self._task, description=what, total=1.0, completed=share)

    def _note(self, name: str) -> None:
        """Keep how long each step took; `seconds` holds the current one up to now."""
        now = time.perf_counter()
        if self._begun is not None:
            before, since = self._begun
            self.seconds[before] = round(self.seconds.get(before, 0.0) + now - since, 3)
        self._begun = (name, now)


class Terminal:
    """Prints to the terminal in one language: results to standard output, all else to standard error."""

    def __init__(self, lang: Language) -> None:
        from rich.console import Console

        self.lang = lang
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def text(self, key: str, **values: object) -> str:
        """A sentence of the service's catalogue."""
        from partition.texts import catalogue

        return catalogue("service").say(key, self.lang, **values)

    def say(self, key: str, **values: object) -> None:
        """Print a sentence of the catalogue."""
        self.out.print(self.text(key, **values), markup=False)

    def finding(self, finding: Finding) -> None:
        """Print a finding, marked by how grave it is."""
        mark = self.text(f"level.{finding.level}")
        self.err.print(f"[{STYLES[finding.level]}]{mark}[/]", end=" ")
        self.err.print(finding.text(self.lang), markup=False)

    def more(self, level: str, count: int) -> None:
        """Print that there are more findings like the last one."""
        self.err.print(f"[{STYLES[level]}]…[/]", end=" ")
        self.err.print(self.text("findings-more", count=f"{count:,}"), markup=False)

    def table(self, key: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print figures with their names from the catalogue (`<key>.<name>`)."""
        from rich.table import Table

        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for name, value in rows:
            table.add_row(self.text(f"{key}.{name}"), f"[bold]{value}[/]")
        self.out.print(table)

    @contextmanager
    def progress(self) -> Iterator[Steps]:
        """Show steps while the block runs."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed
        from rich.progress import TimeRemainingColumn as Left

        start = time.perf_counter()
        spent, left = (TextColumn(self.text(f"step.{name}"), style="dim") for name in ("spent", "left"))
        bars = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        columns = (*bars, spent, Elapsed(), left, Left())
        with Progress(*columns, console=self.err, transient=True) as bar:
            yield Steps(self, bar)
        self.err.print(
            self.text("step.done", seconds=f"{time.perf_counter() - start:.1f}"), style="dim", markup=False
        )

    @contextmanager
    def answering_errors(self) -> Iterator[None]:
        """Turn wrong input or a wrong call into exit code 2, every fault on a line of its own."""
        from partition.errors import InputError, PartitionError
        from service.operating import OperatingError

        try:
            yield
        except InputError as error:
            for finding in error.findings:
                self.finding(finding)
            raise typer.Exit(2) from None
        except OperatingError as error:
            self.err.print(error.text(self.lang), style="bold red", markup=False)
            raise typer.Exit(2) from None
        except PartitionError as error:
            self.err.print(str(error), style="bold red", markup=False)
            raise typer.Exit(2) from None


@cache
def terminal() -> Terminal:
    """The terminal, in the language of the settings. A setting that cannot be ends the command with 2."""
    from pydantic import ValidationError

    try:
        return Terminal(Settings().language)
    except ValidationError as error:
        term = Terminal(Settings.model_construct().language)
        for fault in error.errors(include_url=False):
            name = f"WANGGE_{fault['loc'][0]}".upper()
            said = term.text("setting-wrong", name=name, value=fault["input"])
            term.err.print(said, style="bold red", markup=False)
        raise typer.Exit(2) from None
