"""The app's settings: read once, checked whole."""
