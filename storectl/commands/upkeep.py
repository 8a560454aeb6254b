"""The store's upkeep: ``df``, ``gc``, ``prune``, ``fsck``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from storectl.exit_codes import ExitCode
from storectl.units import human_age, human_size

if TYPE_CHECKING:
    from store.model import CollectionReport
    from storectl.settings import Settings


@click.command("df", epilog="Example: storectl df -v")
@click.option("-v", "--verbose", is_flag=True, help="Show every image.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def df_command(settings: Settings, *, verbose: bool, as_json: bool) -> None:
    """Show what the store takes on disk, and what could be freed."""
    from storectl import render  # noqa: PLC0415

    with settings.open() as store:
        usage = store.usage()
    if as_json:
        render.document(
            {
                "rows": [
                    {"type": row.kind, "total": row.count, "active": row.active, "size": row.size_bytes, "reclaimable": row.reclaimable_bytes}
                    for row in usage.rows
                ],
                "images": [{"id": str(one.image_id), "size": one.size_bytes, "shared": one.shared_bytes, "unique": one.unique_bytes} for one in usage.images],
                "onDisk": usage.on_disk_bytes,
                "database": usage.database_bytes,
            }
        )
        return
    render.table(
        ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"],
        [[row.kind, str(row.count), str(row.active), human_size(row.size_bytes), human_size(row.reclaimable_bytes)] for row in usage.rows],
    )
    click.echo(f"\non disk: {human_size(usage.on_disk_bytes)}, of which the database {human_size(usage.database_bytes)}")
    if verbose:
        now = datetime.now(UTC)
        click.echo()
        render.table(
            ["IMAGE ID", "NAMES", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE"],
            [
                [
                    one.image_id.digest.short,
                    ",".join(name.familiar for name in one.references) or "<none>",
                    human_age(one.created, now),
                    *(human_size(size) for size in (one.size_bytes, one.shared_bytes, one.unique_bytes)),
                ]
                for one in usage.images
            ],
        )


@click.command("gc", epilog="Example: storectl gc --dry-run --dangling")
@click.option("--dry-run", is_flag=True, help="Only say what would be freed.")
@click.option("--dangling", is_flag=True, help="Remove images without a name, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gc_command(settings: Settings, *, dry_run: bool, dangling: bool, as_json: bool) -> None:
    """Free what nothing needs. Safe beside running imports and saves; images without a name stay unless --dangling is given."""
    with settings.open() as store:
        _print(store.collect(dry_run=dry_run, dangling=dangling), as_json=as_json)


@click.command("prune", epilog="Example: storectl prune -f")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def prune_command(settings: Settings, *, force: bool, as_json: bool) -> None:
    """Remove all images without a name that no named image was built on, and free their bytes."""
    if not force:
        click.echo("WARNING! This will remove all dangling images.", err=True)
        click.confirm("Are you sure you want to continue?", abort=True, err=True)
    with settings.open() as store:
        _print(store.collect(dangling=True), as_json=as_json)


def _print(report: CollectionReport, *, as_json: bool) -> None:
    from storectl import render  # noqa: PLC0415

    if as_json:
        render.document(
            {
                "images": [str(image) for image in report.images],
                "manifests": report.manifests,
                "layers": report.layers,
                "blobs": [str(digest) for digest in report.blobs],
                "freed": report.freed_bytes,
                "orphanFiles": report.orphan_files,
                "deadOperations": report.dead_operations,
                "dryRun": report.dry_run,
            }
        )
        return
    would = "Would delete" if report.dry_run else "Deleted"
    for image in report.images:
        click.echo(f"{would}: {image}")
    files = len(report.blobs) + report.orphan_files
    click.echo(f"{would}: {len(report.images)} image(s), {report.layers} layer(s), {files} file(s)")
    click.echo(f"Total {'reclaimable' if report.dry_run else 'reclaimed'} space: {human_size(report.freed_bytes)}")


@click.command("fsck", epilog="Example: storectl fsck --json")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def fsck_command(settings: Settings, *, quiet: bool, as_json: bool) -> int:
    """Recompute every digest and every link from the bytes; list all that is wrong. Exits with 5 when something is."""
    from storectl import render  # noqa: PLC0415
    from storectl.progress import progress  # noqa: PLC0415

    with settings.open() as store, progress(quiet=quiet or as_json) as bars:
        findings = list(store.fsck(bars))
    if as_json:
        render.document(
            [{"severity": one.severity.value, "kind": one.kind, "subject": one.subject, "message": one.message, "images": list(one.images)} for one in findings]
        )
    else:
        for one in findings:
            render.line(f"{one.severity.value}: {one.message}" + (f" [affects {', '.join(one.images)}]" if one.images else ""))
            if one.hint:
                render.line(f"hint: {one.hint}", err=True)
        click.echo(f"{len(findings)} finding(s)" if findings else "clean: every digest, layer, chain and reference is sound")
    return ExitCode.CORRUPT if any(one.severity.value == "error" for one in findings) else ExitCode.OK
