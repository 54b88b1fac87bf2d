"""The relay that is a stream: a durable pull consumer of NATS JetStream."""
