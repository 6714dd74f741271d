"""One run of one task on one node: directories, files, environment, process."""
