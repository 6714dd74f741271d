"""The state table: records, their index and the checkpoints. azure.data.tables ends here."""
