"""``fsck`` (``verify``, ``scrub``): a check of all stored content."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from storectl.output.exit_codes import ExitCode
from storectl.verb import Verb, json_option

if TYPE_CHECKING:
    from store.maintenance.reports import Finding
    from storectl.settings import Settings


@click.command("fsck", cls=Verb, examples=("storectl fsck",))
@click.option("-q", "--quiet", is_flag=True, help="Suppress progress.")
@json_option
@click.pass_obj
def command(settings: Settings, *, quiet: bool, as_json: bool) -> ExitCode:
    """Check all stored bytes against their digests, and all links; list the findings.

    Exit code 5 means that there are errors, and 10 that content could not be read, without other
    errors. With --json, the output also has the number and size of the images, layers and blobs
    that were checked.
    """
    from store.maintenance.reports import Severity  # noqa: PLC0415 - `--help` does without
    from storectl.output import render  # noqa: PLC0415
    from storectl.output.progress import progress  # noqa: PLC0415
    from storectl.output.remedies import hints  # noqa: PLC0415

    findings: list[Finding] = []
    with settings.open() as store:
        with ExitStack() as shown:
            bars = shown.enter_context(progress(quiet=quiet or as_json))
            for one in store.fsck(bars):
                findings.append(one)
                if not as_json:
                    # Print it now: the check may take hours, and it may not reach its end.
                    shown.close()  # The bars would overwrite the line on a terminal.
                    render.line(
                        f"{one.severity.value}: {one.message}"
                        + (f" [affects {', '.join(one.images)}]" if one.images else "")
                    )
        checked = store.totals() if as_json else ()
    errors = [one for one in findings if one.severity is Severity.ERROR]
    if as_json:
        render.document(
            {
                "Checked": {
                    one.kind: {"TotalCount": one.count, "Size": one.size_bytes} for one in checked
                },
                "Findings": [_as_json(one) for one in findings],
            }
        )
    else:
        for hint in dict.fromkeys(hint for one in findings for hint in hints(one)):
            render.line(f"hint: {hint}", err=True)
        summary = (
            f"{len(findings)} finding(s), including {len(errors)} error(s)"
            if findings
            else "clean: every digest, layer, chain and reference is sound"
        )
        render.line(summary)
    if not errors:
        return ExitCode.OK
    unread = all(one.kind == "unreadable" for one in errors)
    return ExitCode.UNAVAILABLE if unread else ExitCode.CORRUPT


def _as_json(one: Finding) -> dict[str, Any]:
    from storectl.output.remedies import hints  # noqa: PLC0415 - `--help` does without

    return {
        "Severity": one.severity.value,
        "Kind": one.kind,
        "Subject": one.subject,
        "Message": one.message,
        "Images": list(one.images),
        "Hint": "; ".join(hints(one)) or None,
    }
