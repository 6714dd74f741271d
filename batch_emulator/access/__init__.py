"""Who may ask: origins and hosts, shared keys and their signatures, bearer tokens."""
