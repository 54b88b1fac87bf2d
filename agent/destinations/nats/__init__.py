"""Events into NATS JetStream: published under their id, delivered when a stream has acknowledged them."""
