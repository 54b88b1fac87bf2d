"""The loop of each destination: from the outbox to the receiver, and the outcome back."""
