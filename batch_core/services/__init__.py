"""Batch and Blob Storage as the app uses them: azure.batch and azure.storage end here."""
