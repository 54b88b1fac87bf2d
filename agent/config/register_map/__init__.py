"""The vendor's list of registers as tags: `tags: {import: registers.csv}` and `edge-relay import-tags`.

Asked for in every gateway and given by none (thingsboard-gateway#1700 "mission critical",
mainflux#1311, FUXA#622, ioBroker#191). A list is a table as it comes out of a manual or of Excel: headings
in any order, German or English, decimal comma or point, whatever delimiter. A row becomes what an
engineer would have written under the tag's name; from there on nobody knows that it came from a list.

Rules for whoever changes these files: nothing that can be read in two ways is guessed (a register beside
the right one has a value too): it is refused once, with both readings and the option that decides;
no row disappears unsaid.
"""
