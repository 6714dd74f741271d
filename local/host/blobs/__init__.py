"""Blob triggers: new blobs found by scan or Event Grid, put in the host's queue, and handed to their functions."""
