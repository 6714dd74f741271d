"""The emulator's own HTTP interface under `/_emulator/`: what no real service offers."""
