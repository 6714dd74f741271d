"""Run the whole system on one machine: Azurite, the Batch emulator and a Functions host.

Nothing here is deployed. `python -m local up` and `python -m local demo` are the two doors.
"""
