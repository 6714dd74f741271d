"""The paths of Azure Resource Manager that are served."""

from batch_emulator.management import pools
from batch_emulator.management.account import AccountOperations
from batch_emulator.management.addresses import account_id
from batch_emulator.routing import Handler, Operation


def management_routes(account: AccountOperations) -> list[Operation]:
    """Return the operations on an account and its pools, named as the client of azure-mgmt-batch calls them."""
    subscription = "/subscriptions/{subscription}"
    accounts = "/providers/Microsoft.Batch/batchAccounts"
    one = account_id("{subscription}", "{group}", "{account}")
    pool = f"{one}/pools/{{pool}}"

    def of_account(name: str, method: str, path: str, handler: Handler) -> Operation:
        return Operation(name=name, method=method, path=path, handler=account.of_this_account(handler))

    return [
        Operation(
            name="batch_account.list", method="GET", path=f"{subscription}{accounts}", handler=account.list_accounts
        ),
        Operation(
            name="batch_account.list_by_resource_group",
            method="GET",
            path=f"{subscription}/resourceGroups/{{group}}{accounts}",
            handler=account.list_accounts_of_group,
        ),
        of_account("batch_account.get", "GET", one, account.get_account),
        of_account("batch_account.get_keys", "POST", f"{one}/listKeys", account.list_keys),
        of_account("pool.list_by_batch_account", "GET", f"{one}/pools", pools.list_pools),
        of_account("pool.create", "PUT", pool, pools.create_pool),
        of_account("pool.get", "GET", pool, pools.get_pool),
        of_account("pool.update", "PATCH", pool, pools.update_pool),
        of_account("pool.delete", "DELETE", pool, pools.delete_pool),
        of_account("pool.disable_auto_scale", "POST", f"{pool}/disableAutoScale", pools.disable_auto_scale),
        of_account("pool.stop_resize", "POST", f"{pool}/stopResize", pools.stop_resize),
        of_account("pool.delete (its end)", "GET", f"{one}/poolOperationResults/{{operation}}", pools.get_deletion),
    ]
