"""The OPC UA source: subscriptions to variables, over a connection that knows its server."""
