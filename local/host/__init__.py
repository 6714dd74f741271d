"""An Azure Functions host for one machine, for where Microsoft's `func` is absent.

Indexing, binding conversion and invocation are Microsoft's: the library azure-functions-runtime,
which is the Python worker of Azure Functions. What the .NET host does around it is done here, for
HTTP, timer, blob and queue triggers. What it writes to Storage (receipts, queue messages, timer
status) has the names and shapes of the real host, so one can take over from the other.

Different from the real host: authorization levels of HTTP functions are not enforced (`func` does
not enforce them locally either); there is no singleton lease, so one host per storage account;
retry policies and `functionTimeout` are ignored; only the bindings named above exist.
"""
