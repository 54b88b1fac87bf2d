"""The relay that tells: a channel of server-sent events, of gosmee or smee.io."""
