"""The courier: claim, send, settle.

A short transaction leases what is due; the message is rendered from its snapshot and sent outside any transaction;
another short transaction settles it. A courier that is killed loses nothing: its leases end and another one, or the
same started again, sends what it held, under the same id. Several couriers on one database share the work.

What is claimed is a group of deliveries that travel as one message: of one, unless people read the channel and a burst
came in (`grouping` chooses). A group is sent once and settled in one transaction, each delivery with its own attempt.
"""

from trackside_service.courier.dispatching import LEASE_S, Courier
from trackside_service.courier.trying import TestResult, send_test

__all__ = ["LEASE_S", "Courier", "TestResult", "send_test"]
