"""What the SDKs of Batch, Blobs and Tables have in common: their errors, their lists, the services' error codes."""
