"""The table as the operator makes, counts and removes it. Not called by any function of the app."""

from dataclasses import dataclass

from azure.data.tables.aio import TableServiceClient

from batch_core.errors import Missing
from batch_core.naming import OPEN_PREFIX
from batch_core.sdk.paging import each_item
from batch_core.state.entities import field_value


@dataclass(frozen=True, kw_only=True)
class RecordCounts:
    """How many records a table has, and how many of these are open."""

    records: int
    open: int


async def create_table(client: TableServiceClient, name: str) -> None:
    await client.create_table(name)


async def delete_table(client: TableServiceClient, name: str) -> None:
    """Delete the table; raises `Missing` if it does not exist, of which the SDK says nothing."""
    if not [one async for one in client.query_tables("TableName eq @name", parameters={"name": name})]:
        raise Missing(f"deleting table {name}", status=404, code="TableNotFound", detail="the table does not exist")
    await client.delete_table(name)


async def record_counts(client: TableServiceClient, name: str, *, most: int) -> RecordCounts:
    """Count records and open tasks among the first rows, twice `most` of them: one call for each 1,000 rows."""
    rows: list[str] = []
    # Records and their index are in partitions that are days.
    entities = client.get_table_client(name).query_entities(
        "PartitionKey ge '0' and PartitionKey lt ':'", select=["RowKey"]
    )
    async for entity in each_item(entities):
        rows.append(field_value(entity["RowKey"]))
        if len(rows) == 2 * most:
            break
    # The day's own entity is among them.
    return RecordCounts(
        records=len([row for row in rows if row[0].isdigit()]),
        open=len([row for row in rows if row.startswith(OPEN_PREFIX)]),
    )
