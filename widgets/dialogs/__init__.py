"""Dialogs: plan preview, confirmation, silence, note."""
