"""Which task runs on which node, and the lives of pools, nodes and jobs."""
