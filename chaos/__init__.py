"""Drops files while everything fails at random, and tells what was lost, ran twice or came back wrong."""
