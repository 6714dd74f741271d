"""What the emulator claims about the service, and how each claim is known: `python -m batch_emulator.fidelity`."""
