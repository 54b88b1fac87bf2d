"""The schemes of signatures, shared by what is sent and what comes in: sections, signer, verifier."""
