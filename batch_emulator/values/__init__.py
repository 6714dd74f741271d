"""What every room knows: states, times, durations, documents. Nothing in here knows the store or HTTP."""
