"""What an expression may ask for, from plain dictionaries."""


class Plant:
    """A scope of plain dictionaries; what is not in them is unknown."""

    def __init__(self, values=None, ages=None, active=None):
        self.values, self.ages, self.rules = values or {}, ages or {}, active or {}

    def value(self, tag):
        return self.values.get(tag)

    def age(self, tag):
        return self.ages.get(tag)

    def active(self, rule):
        return self.rules.get(rule)
