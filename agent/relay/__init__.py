"""The relay: takes webhooks on behalf of plants that nobody can reach, keeps them, and hands them over when asked.

Rules for whoever changes this: it is no part of an agent and imports nothing of one but what is shared; it
believes nobody, and judges no message: raw bytes and headers go through as they came.
"""
