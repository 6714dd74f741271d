"""Lists of the services, page by page: they end, whatever answers.

The SDKs' own iteration over items follows every link and calls itself for each empty page: a link that leads back to
its own page is followed endlessly, and some hundred empty pages end in a `RecursionError`.
"""

from collections.abc import AsyncIterator
from typing import Final

from azure.core.async_paging import AsyncItemPaged

#: Pages without an item, one after the other, after which a list is none. Tables give some where a query has to look
#: at much (https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination).
_MOST_EMPTY: Final = 1000


async def each_page[T](items: AsyncItemPaged[T]) -> AsyncIterator[list[T]]:
    """Read a list page by page; raises `ValueError` if it leads back to a page that was read, or to no item."""
    pages = items.by_page()
    seen: set[str] = set()
    empty = 0
    async for page in pages:
        found = [item async for item in page]
        yield found
        empty = 0 if found else empty + 1
        link = repr(getattr(pages, "continuation_token", None))
        if link in seen or empty > _MOST_EMPTY:
            raise ValueError("the list does not end: it leads back to a page that was read, or to pages without items")
        seen.add(link)


async def each_item[T](items: AsyncItemPaged[T]) -> AsyncIterator[T]:
    """Read a list item by item; raises `ValueError` as `each_page` does."""
    async for page in each_page(items):
        for item in page:
            yield item
