"""Python runs this before moto_server, for what moto's DynamoDB lacks.

The server answers every request on a thread of its own, and its DynamoDB
compares and stores without a lock: two conditional writes at once may both
win, and a cancelled transaction puts the table back to what it was before,
without what others wrote meanwhile. Here DynamoDB answers one request at a
time.

Before a transaction moto copies the whole table, item by item, which makes a
thousand transactions take minutes. Here an item is replaced and never changed
in place, so that the copy can share the items with the table.
"""

import copy
import sys
import threading

try:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table
    from moto.dynamodb.responses import DynamoHandler

    one_at_a_time = threading.RLock()
    call_action, update_item = DynamoHandler.call_action, DynamoDBBackend.update_item

    def call_action_alone(self):
        with one_at_a_time:
            return call_action(self)

    def update_copy(self, table_name, key, *args, **kwargs):
        table = self.get_table(table_name)
        hashed, ranged = self.get_keys_value(table, key)
        item = table.get_item(hashed, ranged)
        if item is not None and ranged is not None:
            table.items[hashed][ranged] = copy.deepcopy(item)
        return update_item(self, table_name, key, *args, **kwargs)

    def copy_sharing_items(self, memo):
        shared = copy.copy(self)
        shared.items = copy.copy(self.items)
        for hashed, items in self.items.items():
            shared.items[hashed] = copy.copy(items)
        return shared

    DynamoHandler.call_action = call_action_alone
    DynamoDBBackend.update_item = update_copy
    Table.__deepcopy__ = copy_sharing_items
except Exception as problem:
    sys.exit(f"the tests can't use this moto, they know 5.2: {problem!r}")
