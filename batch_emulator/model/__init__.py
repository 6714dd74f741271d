"""The resources as the REST API shows them: validation, defaults, wire shape."""
