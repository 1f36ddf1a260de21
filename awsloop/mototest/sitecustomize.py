"""Python runs this before moto_server, for what moto's DynamoDB lacks.

The server answers every request on a thread of its own, and its DynamoDB
compares and stores without a lock: two conditional writes at once may both
win, and a cancelled transaction puts the table back to what it was before,
without what others wrote meanwhile. Here DynamoDB answers one request at a
time.

Before a transaction moto copies the whole table, to put it back if that is
cancelled, and a query goes through the whole table too, which makes thousands
of them take minutes. Here the items that the transaction names are copied and
put back, and a query sees its partition.
"""

import copy
import sys
import threading
import types

try:
    from moto.dynamodb import models
    from moto.dynamodb.models import DynamoDBBackend, Table
    from moto.dynamodb.responses import DynamoHandler

    one_at_a_time = threading.RLock()
    call_action = DynamoHandler.call_action
    transact_write_items = DynamoDBBackend.transact_write_items
    query = Table.query

    def call_action_alone(self):
        with one_at_a_time:
            return call_action(self)

    def named(self, transact_items):
        """The items of a transaction: table, keys and a copy, None if absent."""
        for action in transact_items:
            operation = next(iter(action.values()))
            table = self.tables[operation["TableName"]]
            keys = self.get_keys_value(table, operation.get("Key") or operation["Item"])
            yield table, keys, copy.deepcopy(table.get_item(*keys))

    def transact_restoring(self, transact_items):
        before = list(named(self, transact_items))
        try:
            return transact_write_items(self, transact_items)
        except Exception:
            for table, keys, item in before:
                if item is None:
                    table.delete_item(*keys)
                elif keys[1] is None:
                    table.items[keys[0]] = item
                else:
                    table.items[keys[0]][keys[1]] = item
            raise

    def deepcopy_no_table(value, *args):
        return value if isinstance(value, Table) else copy.deepcopy(value, *args)

    def query_partition(self, hashed, *args, **kwargs):
        index_name = kwargs.get("index_name") or args[6]
        if index_name:
            return query(self, hashed, *args, **kwargs)
        partition = copy.copy(self)
        partition.items = {hashed: self.items.get(hashed, {})}
        return query(partition, hashed, *args, **kwargs)

    DynamoHandler.call_action = call_action_alone
    DynamoDBBackend.transact_write_items = transact_restoring
    Table.query = query_partition
    models.copy = types.SimpleNamespace(deepcopy=deepcopy_no_table)
except Exception as problem:
    sys.exit(f"the tests can't use this moto, they know 5.2: {problem!r}")
