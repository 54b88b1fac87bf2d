"""The relay that is asked: a polling endpoint of the shape of Svix."""
