"""The OData query options of list operations: `$filter`, `$select`, paging."""
