"""The account and its pools as Azure Resource Manager shows them: the part of it that makes pools, over the same pools.

Shapes: models of azure-mgmt-batch 19. Answers: recordings of the real service, azure-mgmt-batch's
`test_mgmt_batch_pools` among them (sdk/batch/azure-mgmt-batch/tests/recordings in azure-sdk-for-python).
"""
