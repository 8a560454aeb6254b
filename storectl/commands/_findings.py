"""The findings of a check on the command line: lines, hints, JSON and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from storectl.output.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from store.maintenance.fsck.verdicts import Checked
    from store.maintenance.reports import Finding


def line_of(finding: Finding) -> str:
    """Return a finding as one line, with the images that it affects."""
    affected = f" [affects {', '.join(finding.images)}]" if finding.images else ""
    return f"{finding.severity.value}: {finding.message}{affected}"


def print_hints(findings: Iterable[Finding]) -> None:
    """Print the next steps of all findings on standard error, each once."""
    from storectl.output import render  # noqa: PLC0415 - `--help` does without
    from storectl.output.remedies import hints  # noqa: PLC0415

    for hint in dict.fromkeys(hint for one in findings for hint in hints(one)):
        render.line(f"hint: {hint}", err=True)


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors."""
    from store.maintenance.reports import Severity  # noqa: PLC0415 - `--help` does without

    return [one for one in findings if one.severity is Severity.ERROR]


def exit_code(errors: Sequence[Finding]) -> ExitCode:
    """Return 0 without errors, 10 if content could not be read and nothing else is wrong, else 5.

    Args:
        errors: The findings that are errors.
    """
    if not errors:
        return ExitCode.OK
    unread = all(one.kind == "unreadable" for one in errors)
    return ExitCode.UNAVAILABLE if unread else ExitCode.CORRUPT


def as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as a JSON object."""
    from storectl.output.remedies import hints  # noqa: PLC0415 - `--help` does without

    return {
        "Severity": finding.severity.value,
        "Kind": finding.kind,
        "Subject": finding.subject,
        "Message": finding.message,
        "Images": list(finding.images),
        "Hint": "; ".join(hints(finding)) or None,
        "Digest": None if finding.digest is None else str(finding.digest),
        "Table": finding.table,
    }


class Output:
    """What both forms of output share: the findings, and the exit code they lead to."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end(is_complete=kind is None)

    def add(self, one: Finding) -> None:
        """Print a finding."""
        self.findings.append(one)

    def end(self, *, is_complete: bool) -> None:
        """Print what follows the last finding.

        Args:
            is_complete: Whether the check reached its end.
        """

    @property
    def errors(self) -> list[Finding]:
        """The findings that are errors."""
        return errors_of(self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code, by what was found."""
        return exit_code(self.errors)


class Lines(Output):
    """One line for each finding, and a summary."""

    def add(self, one: Finding) -> None:
        """Print a finding."""
        from storectl.output import render  # noqa: PLC0415

        super().add(one)
        render.line(line_of(one))

    def end(self, *, is_complete: bool) -> None:
        """Print the next steps, and how many findings there are."""
        from storectl.output import render  # noqa: PLC0415

        print_hints(self.findings)
        if not is_complete:
            return
        render.line(
            f"{len(self.findings)} finding(s), including {len(self.errors)} error(s)"
            if self.findings
            else "clean: every digest, layer, chain and reference is sound"
        )


class Json(Output):
    """A JSON document that is written while the check runs: one finding on each line."""

    def __init__(self, checked: Checked) -> None:
        super().__init__()
        self._checked = checked

    def add(self, one: Finding) -> None:
        """Print a finding."""
        self._write(("," if self.findings else '{"Findings":[') + self._text(as_json(one)))
        super().add(one)

    def end(self, *, is_complete: bool) -> None:
        """Print how much was checked."""
        if not (is_complete or self.findings):
            # An error before the first finding leaves standard output empty, as in other commands.
            return
        sizes = self._checked.sizes
        checked = {
            kind: {"TotalCount": count, "Size": sizes[kind]}
            if sizes[kind]
            else {"TotalCount": count}
            for kind, count in self._checked.counts.items()
        }
        head = "]" if self.findings else '{"Findings":[]'
        tail = self._text({"Checked": checked, "Complete": is_complete})
        self._write(f"{head},{tail[1:]}")

    @staticmethod
    def _text(value: object) -> str:
        from storectl.output import render  # noqa: PLC0415
        from storectl.output.json_text import json_text  # noqa: PLC0415

        return json_text(value, encoding=render.output_encoding())

    @staticmethod
    def _write(text: str) -> None:
        from storectl.output import render  # noqa: PLC0415

        render.write(text)
