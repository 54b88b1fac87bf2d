"""What bytes from the plant mean: decoding without a socket, a clock or a library."""
