"""Completion of commands and options in a shell."""

from typing import Annotated, Literal

from cyclopts import Parameter

type Shell = Literal["bash", "zsh", "fish", "powershell"]


def completion(shell: Annotated[Shell, Parameter(help="The shell that is to complete.")], /) -> int:
    """Print a script that completes commands and options in a shell.

    For example:
        batchdrop completion bash > ~/.local/share/bash-completion/completions/batchdrop
        batchdrop completion fish > ~/.config/fish/completions/batchdrop.fish

    """
    # It describes all commands, of which this is one.
    from batch_core.cli.program import program  # noqa: PLC0415

    print(program().generate_completion(prog_name="batchdrop", shell=shell))
    return 0
