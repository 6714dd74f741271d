"""`python -m batch_core`: see `batch_core.cli.command_line`."""

from batch_core.cli.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
