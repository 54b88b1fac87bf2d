"""The support bundle: what somebody elsewhere needs to see what is wrong, in one file that may be sent.

Rules for whoever changes this: it is made when things are broken, so each part may be missing for reasons of its
own, and says so in MANIFEST.txt; nothing that the agent owns is changed; no secret, and no content of what
strangers have sent, leaves the machine (`agent.bundling.redact`).
"""
