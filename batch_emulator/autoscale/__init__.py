"""The language of autoscale formulas: text to tokens, tokens to statements, statements to target sizes.

The language is that of https://learn.microsoft.com/azure/batch/batch-automatic-scaling ("documentation:
batch-automatic-scaling" elsewhere in this package).
"""
