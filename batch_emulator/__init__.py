"""An emulator of the Azure Batch service for one machine: what Azurite is for Storage.

Rooms, from the outside in:

- `__main__` the command line, `settings` its options, `server` start and stop;
- `gateway` every request: `signing`, api-version, `routes`, `errors`, common headers;
- `faults` what goes wrong on purpose; `control` the emulator's own interface under `/_emulator/`;
- `handlers` one module per resource: parse, call, answer;
- `odata` `$filter`, `$select` and paging;
- `model` what the resources look like on the wire, and their validation;
- `store` SQLite;
- `scheduling` which task runs where, and the lives of pools and jobs;
- `execution` one run of one task: directories, resource files, environment, process;
- `testing` an emulator that a test starts, and `pytest_plugin` the fixtures of it: neither is used by any other room.
"""

__version__ = "0.1.0"
