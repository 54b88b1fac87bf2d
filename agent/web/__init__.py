"""What can be asked of a running agent over HTTP: its health by the network, its work by the socket."""
