"""Drops files while everything fails at random, and reports what was lost, ran twice or came back wrong."""
