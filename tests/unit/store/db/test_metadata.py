"""The names of constraints, which migrations repeat."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, UniqueConstraint

from store.db.metadata import metadata


def test_constraints_have_names() -> None:
    own = MetaData(naming_convention=metadata.naming_convention)
    table = Table("t", own, Column("a", Integer, primary_key=True), UniqueConstraint("a"))
    assert {str(one.name) for one in table.constraints} == {"pk_t", "uq_t_a"}
